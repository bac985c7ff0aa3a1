package command

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
)

func newVersion(e *env) *cobra.Command {
	var format option.Format
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Show the version",
		Example: "  lcm version -o json",
		Args:    args(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			v := display.Version{Version: e.version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
			if format.JSON() {
				return display.JSON(e.IO.Out, "Version", v)
			}
			_, err := fmt.Fprintf(e.IO.Out, "lcm %s (%s, %s)\n", v.Version, v.Go, v.Platform)
			return err
		},
	}
	format.Bind(cmd, "text", "json")
	return cmd
}

// version gives the version of this program: the release's, else what Go noted of the module, else "(devel)".
func (e *env) version() string {
	if e.Version != "" {
		return e.Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
