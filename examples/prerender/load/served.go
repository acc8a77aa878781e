package main

// servers say how many requests of each tenant a server has answered, by its name and the tenant.
type servers map[string]map[string]int

func (s servers) add(tenant, server string) {
	if server == "" {
		return // no balancer says who it was
	}
	if s[server] == nil {
		s[server] = map[string]int{}
	}
	s[server][tenant]++
}

// requests are how many each server has answered.
func (s servers) requests() map[string]int {
	n := map[string]int{}
	for server, tenants := range s {
		n[server] = sum(tenants)
	}
	return n
}

// shared is how many tenants more than one server has answered.
func (s servers) shared() (n int) {
	by := map[string]int{}
	for _, tenants := range s {
		for tenant := range tenants {
			if by[tenant]++; by[tenant] == 2 {
				n++
			}
		}
	}
	return n
}
