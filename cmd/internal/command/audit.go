package command

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/llm-devops/lcm/cmd/internal/display"
	"github.com/llm-devops/lcm/cmd/internal/option"
	"github.com/llm-devops/lcm/pkg/accesslog"
	"github.com/llm-devops/lcm/pkg/address"
)

func newAudit(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "See who did what",
		Long:  "See who did what. Who changed what is in the commits; who was shown which secret is in the access log of each clone.",
		Args:  subcommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAuditAccess(e))
	return cmd
}

type auditAccessOptions struct {
	format   option.Format
	pattern  string
	since    string
	who      string
	key      string
	denied   bool
	anchors  []string
	setAside bool
	file     string
}

func newAuditAccess(e *env) *cobra.Command {
	o := &auditAccessOptions{}
	cmd := &cobra.Command{
		Use:   "access [PATTERN]",
		Short: "Show who was shown which secrets in this clone, and verify that record",
		Long: `Show the access log of this clone, and verify it: who was shown, or tried to be shown, which secrets, when, by which command and
from where. It never holds a value. Every command that shows a secret writes it first, and shows nothing if it cannot.

The log is in the Git directory (lcm-access/access.log), for all its worktrees, and is not part of any commit. Each line holds the
hash of the one before; the head, in a file beside it, how many lines there are and the last one's hash. A line that is changed,
removed or put in, and lines cut off at the end, are told with exit code 3. Whoever may write to the Git directory can still write
both files anew, or put older copies back: note the head somewhere else, and give it to --anchor later.`,
		Example: `  lcm audit access
  lcm audit access acme/production --since 30d
  lcm audit access --who ada --key providers.openai.api_key -o json
  lcm audit access --denied
  lcm audit access --anchor 42:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
  lcm audit access --set-aside                           after looking into a broken one: begin a new log`,
		Args: args(0, 1, "at most one pattern"),
		ValidArgsFunction: func(cmd *cobra.Command, a []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			if len(a) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return e.completeAddress(cmd.Context(), toComplete)
		},
		RunE: func(cmd *cobra.Command, a []string) error {
			if len(a) > 0 {
				o.pattern = a[0]
			}
			e.output(&o.format)
			return runAuditAccess(cmd.Context(), e, o)
		},
	}
	o.format.Bind(cmd, "text", "json")
	f := cmd.Flags()
	f.StringVar(&o.since, "since", "", "only from `TIME` on: 12h, 30d, 2026-01-31 or 2026-01-31T08:00:00Z")
	f.StringVar(&o.who, "who", "", "only of whom `TEXT` is part of the name, the email or the user")
	f.StringVar(&o.key, "key", "", "only what includes `KEY`, or a key below it")
	f.BoolVar(&o.denied, "denied", false, "only attempts that did not open the secret")
	f.StringArrayVar(&o.anchors, "anchor", nil, "check that the log goes on from this head, `COUNT:HASH`, noted earlier (repeatable)")
	f.BoolVar(&o.setAside, "set-aside", false, "rename the log, keep it, and begin a new one")
	f.StringVar(&o.file, "file", "", "show the log at `PATH`, which was put aside, in place of the one in use")
	_ = cmd.MarkFlagFilename("file", "log")
	cmd.MarkFlagsMutuallyExclusive("set-aside", "anchor")
	cmd.MarkFlagsMutuallyExclusive("set-aside", "file")
	return cmd
}

func runAuditAccess(ctx context.Context, e *env, o *auditAccessOptions) error {
	keep, err := o.filter(e.now())
	if err != nil {
		return err
	}
	anchors := make([]accesslog.Anchor, 0, len(o.anchors))
	for _, text := range o.anchors {
		a, err := accesslog.ParseAnchor(text)
		if err != nil {
			return usage(err, "the head is the last line of lcm audit access, and head in its JSON")
		}
		anchors = append(anchors, a)
	}
	w, err := e.workspace(ctx)
	if err != nil {
		return err
	}
	log := accessLog(w)
	if o.setAside {
		who, err := e.who(ctx, w)
		if err != nil {
			return err
		}
		old, err := log.SetAside(ctx, e.now(), who)
		if err != nil {
			return err
		}
		report := display.AccessLogSetAside{File: log.Path(), Old: old}
		if o.format.JSON() {
			return display.JSON(e.IO.Out, "AccessLogSetAside", report)
		}
		return display.AccessLogSetAsideText(e.IO, report)
	}
	if o.file != "" {
		if _, err := os.Stat(e.path(o.file)); err != nil {
			return e.unread("read the access log", o.file, err)
		}
		log = accesslog.Aside(e.path(o.file))
	}
	read, err := log.Read(ctx, anchors...)
	if err != nil {
		return err
	}
	report := display.AccessLog{
		File: log.Path(), Total: len(read.Entries), Head: read.Head, Intact: len(read.Findings) == 0,
		Entries: []accesslog.Entry{}, Uncounted: read.Uncounted, Findings: read.Findings,
	}
	for _, entry := range read.Entries {
		if keep(entry) {
			report.Entries = append(report.Entries, entry)
		}
	}
	if o.format.JSON() {
		err = display.JSON(e.IO.Out, "AccessLog", report)
	} else {
		err = display.AccessLogText(e.IO, report)
	}
	if err == nil && !report.Intact {
		err = &silentError{code: exitFindings}
	}
	return err
}

// filter makes of the flags what says whether an entry is shown.
func (o *auditAccessOptions) filter(now time.Time) (func(accesslog.Entry) bool, error) {
	pattern, err := parsePattern(o.pattern)
	if err != nil {
		return nil, err
	}
	var since time.Time
	if o.since != "" {
		if since, err = option.ParseSince(o.since, now); err != nil {
			return nil, usage(err, "for example 12h, 30d, 2026-01-31 or 2026-01-31T08:00:00Z")
		}
	}
	key := ""
	if o.key != "" {
		p, err := parseKey(o.key)
		if err != nil {
			return nil, err
		}
		key = p.String()
	}
	return func(entry accesslog.Entry) bool {
		if o.pattern != "" {
			if a, err := address.Parse(entry.Address); err != nil || !pattern.Match(a) {
				return false
			}
		}
		who := strings.ToLower(fmt.Sprintf("%s\n%s\n%s", entry.Who.Name, entry.Who.Email, entry.Who.User))
		return !entry.Time.Before(since) &&
			strings.Contains(who, strings.ToLower(o.who)) &&
			(key == "" || hasKey(entry.Keys, key)) &&
			(!o.denied || entry.Outcome != accesslog.Opened)
	}, nil
}

// hasKey reports whether a key, or one below it, is among keys.
func hasKey(keys []string, key string) bool {
	for _, k := range keys {
		if rest, ok := strings.CutPrefix(k, key); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}
