package loopback

// Process is one process of a browser, as the system lists it.
type Process struct {
	ID, Group, Parent int
	Zombie            bool
	Command           string
}

// Processes and Within list nothing: there is no /proc.
func Processes() []Process { return nil }

// Within is explained with Processes.
func Within(string) []Process { return nil }

// KillBrowser, KillRenderer and StopBrowser cannot find a browser's processes.
func (s *Stage) KillBrowser(uint64) bool { return false }

// KillRenderer is explained with KillBrowser.
func (s *Stage) KillRenderer(uint64) bool { return false }

// StopBrowser is explained with KillBrowser.
func (s *Stage) StopBrowser(uint64) bool { return false }

// ContinueBrowser is explained with KillBrowser.
func (s *Stage) ContinueBrowser(uint64) bool { return false }

// StopHelper is explained with KillBrowser.
func (s *Stage) StopHelper(uint64, string) bool { return false }
