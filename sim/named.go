package sim

import (
	"fmt"

	"github.com/pagepool/pagepool/internal/prose"
	"github.com/pagepool/pagepool/pool/core"
	"github.com/pagepool/pagepool/sim/spec"
)

// standing says how a pool stands that does not come to rest, and names whom and what it counts.
func standing(s *core.State) string {
	var waiting [core.Classes][]string
	s.EachRequest(func(q core.RequestView) {
		waiting[q.Class] = append(waiting[q.Class], fmt.Sprintf("r%d", q.ID))
	})
	return fmt.Sprintf("%d%s and %d%s waiting, %s%s, %d opening%s, %d standby%s of %d, %d "+
		"closing%s, %d lost%s",
		s.Waiting(core.Root), spec.Listed(waiting[core.Root]), s.Waiting(core.Nested),
		spec.Listed(waiting[core.Nested]),
		prose.Count(s.Leases(), "lease"), spec.TabsIn(s, core.Leased),
		s.Count(core.Opening), spec.TabsIn(s, core.Opening),
		s.Count(core.Standby), spec.TabsIn(s, core.Standby), s.Target(),
		s.Count(core.Closing), spec.TabsIn(s, core.Closing), s.Count(core.Lost),
		spec.TabsIn(s, core.Lost))
}
