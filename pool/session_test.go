package pool

import (
	"testing"

	"github.com/pagepool/pagepool/pool/core"
)

// A lease in which a navigation finished is none of a tab that cannot navigate, though one began.
func TestANavigationThatFinishedIsNotStuck(t *testing.T) {
	for _, c := range []struct {
		began, finished bool
		told            core.Navigation
	}{
		{false, false, core.NoNavigation}, {true, false, core.Stuck},
		{true, true, core.Arrived}, {false, true, core.Arrived},
	} {
		if told := navigated(c.began, c.finished); told != c.told {
			t.Errorf("began %t, finished %t: the core is told %d, want %d", c.began, c.finished, told,
				c.told)
		}
	}
}
