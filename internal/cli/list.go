package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgkeyless/pgkeyless/internal/causes"
	"github.com/pgkeyless/pgkeyless/internal/config"
	"github.com/pgkeyless/pgkeyless/internal/credentials"
	"github.com/pgkeyless/pgkeyless/internal/discover"
	"github.com/pgkeyless/pgkeyless/internal/display"
	"github.com/pgkeyless/pgkeyless/internal/environ"
	"github.com/pgkeyless/pgkeyless/internal/shell"
	"github.com/pgkeyless/pgkeyless/internal/targets"
)

const (
	// listTimeout bounds a list, once there are credentials: all regions are asked
	// side by side.
	listTimeout = 45 * time.Second

	// exitPartial is the exit code of a list that lacks something.
	exitPartial = 2
)

func (a *app) listCommand() *cobra.Command {
	var regions, profile string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the databases and jump hosts that the credentials can see",
		Long: `List RDS instances, clusters and proxies, Aurora DSQL clusters, and the managed
nodes of Systems Manager, which can be jump hosts. Databases of other engines
are marked. ECS tasks are not listed.

You can list several regions at once: --region eu-central-1,eu-west-1. stderr
reports what could not be listed. If your credentials may not list DSQL
clusters, or DSQL's API is out of reach, a note says so, and the exit code
stays the same.

Exit codes: 0 everything is listed, 1 nothing could be listed, 2 a part could
not be listed.`,
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			profile = cmp.Or(profile, environ.LookUp(a.environ, "PGKEYLESS_PROFILE"))
			run, err := config.LoadRun(a.input(nil))
			if err != nil {
				return err
			}
			return a.list(cmd.Context(), a.profiles(run), profile, splitRegions(cmp.Or(regions, environ.LookUp(a.environ, "PGKEYLESS_REGION"))), asJSON)
		},
	}
	cmd.Flags().StringVar(&regions, "region", "", "AWS regions, separated by commas (default AWS_REGION or the profile's)")
	cmd.Flags().StringVar(&profile, "profile", "", "profile of the shared AWS configuration (default as the AWS CLI chooses)")
	_ = cmd.RegisterFlagCompletionFunc("region", completeRegions)
	_ = cmd.RegisterFlagCompletionFunc("profile", completeProfiles)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	a.addFlags(cmd, func(o config.Option) bool {
		return o.Name == "mfa-command" || o.Name == "sso-login" || o.Name == "config-file"
	})
	return cmd
}

// splitRegions takes each region once; none means the SDK's own choice.
func splitRegions(list string) []string {
	var regions []string
	for region := range strings.SplitSeq(list, ",") {
		if region = strings.TrimSpace(region); region != "" && !slices.Contains(regions, region) {
			regions = append(regions, region)
		}
	}
	if len(regions) == 0 {
		return []string{""}
	}
	return regions
}

// inventory is what a list found.
type inventory struct {
	Databases []listedDatabase `json:"databases"`
	JumpHosts []listedJumpHost `json:"jump_hosts"`
	Errors    []listError      `json:"errors"`
	Notes     []listError      `json:"notes"` // what most accounts do not miss
}

type listedDatabase struct {
	Identifier string `json:"identifier"`
	Kind       string `json:"kind"`
	Engine     string `json:"engine"`
	Version    string `json:"version"`
	Postgres   bool   `json:"postgres"`
	Status     string `json:"status"`
	IAM        bool   `json:"iam"`
	Endpoint   string `json:"endpoint"` // "" while it is being created
	Cluster    string `json:"cluster"`
	VPC        string `json:"vpc"`    // "" where it is not known, and of one that is in none
	Public     bool   `json:"public"` // in no VPC, and reached without a jump host
	Region     string `json:"region"`
	ResourceID string `json:"resource_id"`
	ARN        string `json:"arn"`

	ManagedSecret string `json:"managed_secret"` // ARN of the one with the master user's password
}

type listedJumpHost struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	IP       string `json:"ip_address"`
	Agent    string `json:"agent"`
	Online   bool   `json:"online"`
	Status   string `json:"status"`
	Platform string `json:"platform"`
	Region   string `json:"region"`
}

// listError is something that could not be listed.
type listError struct {
	Region string `json:"region"`
	Error  string `json:"error"`
	Hint   string `json:"hint"`
}

func (a *app) list(ctx context.Context, profiles *credentials.Profiles, profile string, regions []string, asJSON bool) error {
	found, err := takeInventory(ctx, profiles, profile, regions)
	if err != nil {
		return err
	}
	if asJSON {
		out := json.NewEncoder(a.screen())
		out.SetIndent("", "  ")
		err = out.Encode(found)
	} else {
		err = found.write(a.screen())
	}
	if err != nil {
		return err
	}
	for _, e := range found.Errors {
		a.explainOne(causes.Misuse(e.Region+": "+e.Error, e.Hint))
	}
	for _, n := range found.Notes {
		fmt.Fprintf(a.stderr, "pgkeyless: note: %s: %s\n", n.Region, n.Error)
	}
	if next := found.next(profile, environ.LookUp(a.environ, "PGKEYLESS_USER")); next != "" && !asJSON {
		fmt.Fprintf(a.stderr, "pgkeyless: next: %s\n", next)
	}
	return found.end(a.stderr, regions)
}

// takeInventory asks all regions side by side. The error is for what concerns
// all of them: a profile that does not exist, no credentials, no region.
func takeInventory(ctx context.Context, profiles *credentials.Profiles, profile string, regions []string) (inventory, error) {
	finders := make([]*discover.Finder, len(regions))
	for i := range regions {
		cfg, err := profiles.Config(ctx, profile, regions[i])
		if err != nil {
			return inventory{}, err
		}
		if finders[i], err = targets.NewFinder(cfg, profile); err != nil {
			return inventory{}, err
		}
		regions[i] = cfg.Region
		// Once for all, and in the time that a person may take.
		if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
			return inventory{}, credentials.Explain(profile, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	parts := make([]inventory, 3*len(finders))
	var asking sync.WaitGroup
	for i, f := range finders {
		asking.Go(func() { parts[3*i] = databasesOf(ctx, f, regions[i]) })
		asking.Go(func() { parts[3*i+1] = dsqlClustersOf(ctx, f, regions[i]) })
		asking.Go(func() { parts[3*i+2] = jumpHostsOf(ctx, f, regions[i]) })
	}
	asking.Wait()
	all := inventory{Databases: []listedDatabase{}, JumpHosts: []listedJumpHost{}, Errors: []listError{}, Notes: []listError{}}
	for _, p := range parts {
		all.Databases = append(all.Databases, p.Databases...)
		all.JumpHosts = append(all.JumpHosts, p.JumpHosts...)
		all.Errors = append(all.Errors, p.Errors...)
		all.Notes = append(all.Notes, p.Notes...)
	}
	return all, nil
}

func databasesOf(ctx context.Context, f *discover.Finder, region string) (part inventory) {
	databases, err := f.Databases(ctx)
	part.add(databases)
	part.note(region, err)
	return part
}

// dsqlClustersOf lists those of Aurora DSQL. Most accounts have none, so that not to be
// allowed, or able, to ask is no error.
func dsqlClustersOf(ctx context.Context, f *discover.Finder, region string) (part inventory) {
	clusters, err := f.DSQLClusters(ctx)
	part.add(clusters)
	if discover.Unlisted(err) {
		part.Notes = append(part.Notes, listError{region, display.Line(err.Error()), causes.Hint(err)})
		return part
	}
	part.note(region, err)
	return part
}

// add appends databases.
func (i *inventory) add(databases []discover.Database) {
	for _, d := range databases {
		row := listedDatabase{
			Identifier: d.Identifier, Kind: d.Kind.String(), Engine: strings.ToLower(d.Engine), Version: d.EngineVersion, Postgres: d.Postgres(),
			Status: d.Status, IAM: d.IAM, ManagedSecret: d.Secret.ARN, Cluster: d.Cluster, VPC: d.VPC, Public: d.Public(), Region: d.Region, ResourceID: d.ResourceID, ARN: d.ARN,
		}
		if d.Host != "" {
			row.Endpoint = d.Address()
		}
		i.Databases = append(i.Databases, row)
	}
}

func jumpHostsOf(ctx context.Context, f *discover.Finder, region string) (part inventory) {
	hosts, err := f.AllJumpHosts(ctx)
	for _, h := range hosts {
		part.JumpHosts = append(part.JumpHosts, listedJumpHost{h.Target, h.Name, h.IP, h.Agent, h.Online, h.Status, h.Platform, h.Region})
	}
	part.note(region, err)
	return part
}

func (i *inventory) note(region string, err error) {
	if err != nil {
		i.Errors = append(i.Errors, listError{region, display.Line(err.Error()), causes.Hint(err)})
	}
}

// write prints a table of databases and one of jump hosts, each if there are
// any.
func (i inventory) write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(i.Databases) > 0 {
		fmt.Fprintln(t, "DATABASE\tKIND\tENGINE\tSTATUS\tIAM\tVPC\tENDPOINT\tREGION")
	}
	for _, d := range i.Databases {
		iam := "off"
		switch {
		case !d.Postgres:
			iam = "not PostgreSQL"
		case d.IAM:
			iam = "on"
		}
		if d.Postgres && d.ManagedSecret != "" {
			iam += ", secret=managed"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.Identifier, d.Kind, strings.TrimSpace(d.Engine+" "+d.Version), d.Status, iam, d.network(), cmp.Or(d.Endpoint, "-"), d.Region)
	}
	if len(i.JumpHosts) > 0 {
		if len(i.Databases) > 0 {
			fmt.Fprintln(t)
		}
		fmt.Fprintln(t, "JUMP HOST\tNAME\tADDRESS\tAGENT\tONLINE\tPLATFORM\tREGION")
	}
	for _, h := range i.JumpHosts {
		online := "yes"
		if !h.Online {
			online = "no"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", h.ID, cmp.Or(h.Name, "-"), cmp.Or(h.IP, "-"), h.Agent, online, h.Platform, h.Region)
	}
	return t.Flush()
}

// network is the VPC, or the word for having none.
func (d listedDatabase) network() string {
	if d.Public {
		return "public"
	}
	return cmp.Or(d.VPC, "-")
}

// servingStates are the states in which a database takes connections: of RDS the first, of
// DSQL the others.
var servingStates = []string{"available", "active", "idle"}

// next is a command for a database that was found: the first that may serve, with a jump
// host in its region unless it is public. The database user is left to fill in where none
// is known. "" when there is none.
func (i inventory) next(profile, user string) string {
	asUser := ""
	if user == "" {
		asUser = " --user NAME"
	}
	for _, d := range i.Databases {
		if !d.Postgres || !d.IAM && d.ManagedSecret == "" || d.Endpoint == "" || !slices.Contains(servingStates, d.Status) {
			continue
		}
		where, asUser := " --region "+d.Region, asUser
		if !d.IAM {
			where, asUser = where+" --secret "+config.SecretManaged, ""
		}
		if profile != "" {
			where += " --profile " + shell.Word(profile)
		}
		if d.Public {
			return "`pgkeyless " + shell.Word(d.Identifier) + where + "` serves it; it is public, and needs no jump host"
		}
		for _, h := range i.JumpHosts {
			if h.Online && h.Region == d.Region {
				return "`pgkeyless doctor " + shell.Word(d.Identifier) + " --via " + shell.Word(h.ID) + where + asUser + "` checks the path; the jump host must be able to reach the database's VPC"
			}
		}
	}
	return ""
}

// end says so when there is nothing, and whether all could be listed.
func (i inventory) end(stderr io.Writer, regions []string) error {
	empty := len(i.Databases) == 0 && len(i.JumpHosts) == 0
	switch {
	case len(i.Errors) > 0 && empty:
		return &ended{1}
	case len(i.Errors) > 0:
		return &ended{exitPartial}
	case empty:
		fmt.Fprintf(stderr, "pgkeyless: no database and no jump host in %s\n", strings.Join(regions, ", "))
		fmt.Fprintf(stderr, "pgkeyless: hint: --region and --profile choose where to look\n")
	}
	return nil
}
