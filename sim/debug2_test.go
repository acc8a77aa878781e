package sim

import (
	"bytes"
	"github.com/pagepool/pagepool/pool/core"
	"os"
	"testing"
)

func TestDebugTrace(t *testing.T) {
	f := os.Getenv("TRACE")
	if f == "" {
		t.Skip()
	}
	data, _ := os.ReadFile(f)
	tr, err := core.ReadTrace(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Replay(tr, func(x Told) {
		line := x.At.Duration().String() + " " + string(core.AppendEvent(nil, x.Event, x.Names))
		for _, e := range x.Effects {
			line += "\n      -> " + string(core.AppendEffect(nil, e, x.Names))
		}
		t.Log(line)
	})
	t.Log(r.Failed, r.Violation, err)
}
