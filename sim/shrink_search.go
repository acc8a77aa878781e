package sim

func (s *shrinker) search(out *Shrunk, from string) {}
