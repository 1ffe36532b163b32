package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
)

// A phase is a part of DuckDB's work.
type phase struct {
	Name string `json:"name"`
	SQL  string `json:"sql"`
	Ask  bool   `json:"ask"` // it gives one value, to print
}

func do(name, sql string) phase  { return phase{name, sql, false} }
func ask(name, sql string) phase { return phase{name, sql, true} }

// The SQL below is a template; these stand for what a run chooses.
//
//	$FLOWS $DNS             patterns of the files
//	$SUPPORT $PREVALENCE    shares
//	$OUT                    path of the result
const (
	macros = `
CREATE TEMP MACRO private(a) AS a LIKE '10.%' OR a LIKE '192.168.%' OR (a LIKE '172.%' AND regexp_matches(a, '^172\.(1[6-9]|2[0-9]|3[01])\.'));
CREATE TEMP MACRO missing(a) AS coalesce(a IN ('', '-', 'Unknown', 'NULL', 'null', 'N/A', ''''''), true);`

	// scan reads the fields that the question needs, as text whatever they are.
	scan = `read_json('$FLOWS', format = 'newline_delimited', columns = {pn: 'VARCHAR', udid: 'VARCHAR', sa: 'VARCHAR', da: 'VARCHAR', pr: 'VARCHAR', osn: 'VARCHAR'})`

	complete = `NOT (missing(pn) OR missing(udid) OR missing(sa) OR missing(da) OR missing(pr))`

	// seen has one row for each application, device and, of outbound flows,
	// address, on macOS. The paper's rule makes every IPv6 address public, so
	// that outbound flows have IPv4 addresses only.
	compactSeen = `
CREATE TEMP TABLE seen AS
SELECT pn, udid, CASE WHEN private(sa) AND NOT private(da) THEN da END AS addr, count(*)::INTEGER AS flows
FROM ` + scan + ` WHERE osn LIKE 'Mac%' AND ` + complete + ` GROUP BY ALL;`

	// Where records of their own tell the operating system, they come along in
	// the one pass over the files.
	collectorSeen = `
CREATE TEMP TABLE read AS
SELECT pn, udid, osn, CASE WHEN private(sa) AND NOT private(da) THEN da END AS addr, count(*)::INTEGER AS flows
FROM ` + scan + ` WHERE osn IS NOT NULL OR ` + complete + ` GROUP BY ALL;
CREATE TEMP TABLE seen AS
SELECT pn, udid, addr, flows FROM read SEMI JOIN (SELECT udid FROM read WHERE osn LIKE 'Mac%') USING (udid) WHERE pn IS NOT NULL;
DROP TABLE read;`

	// contacts has integers for applications, devices and addresses, of the
	// applications on more than the wanted share of the devices.
	contacts = `
CREATE TEMP TABLE apps AS
SELECT row_number() OVER ()::INTEGER AS app, * FROM (
	SELECT pn, count(DISTINCT udid) FILTER (addr IS NOT NULL) AS active FROM seen GROUP BY pn
	HAVING count(DISTINCT udid) > $PREVALENCE * (SELECT count(DISTINCT udid) FROM seen));
CREATE TEMP TABLE devices AS SELECT row_number() OVER ()::INTEGER AS device, udid FROM (SELECT DISTINCT udid FROM seen);
CREATE TEMP TABLE addrs AS
SELECT row_number() OVER ()::INTEGER AS aid, addr FROM (SELECT DISTINCT addr FROM seen SEMI JOIN apps USING (pn) WHERE addr IS NOT NULL);
CREATE TEMP TABLE contacts AS
SELECT app, device, aid, flows FROM seen JOIN apps USING (pn) JOIN devices USING (udid) JOIN addrs USING (addr);
DROP TABLE seen;`

	// pairs has the distinct names of contacted addresses, as integers.
	pairs = `
CREATE TEMP TABLE named AS
SELECT DISTINCT aid, lower(rtrim(rrname, '.')) AS rrname FROM read_parquet('$DNS') JOIN addrs ON rdata = addr WHERE rrtype IN ('A', 'AAAA');
CREATE TEMP TABLE names AS SELECT row_number() OVER ()::INTEGER AS nid, rrname FROM (SELECT DISTINCT rrname FROM named);
CREATE TEMP TABLE pairs AS SELECT aid, nid FROM named JOIN names USING (rrname);
DROP TABLE named;`

	// lists has the devices of each application and address as a list.
	lists = `
CREATE TEMP TABLE lists AS SELECT app, aid, list(device) AS devs, len(devs) AS n, sum(flows) AS flows FROM contacts GROUP BY ALL;
DROP TABLE contacts;`

	write = `
COPY (
	SELECT pn AS app, rrname AS name, devices, active AS active_devices, flows
	FROM result JOIN apps USING (app) JOIN names USING (nid) WHERE devices >= $SUPPORT * active ORDER BY pn, rrname
) TO '$OUT' (HEADER);`
)

// variants are ways to ask for support, by name. All give the same rows.
var variants = map[string]string{
	// What most would write.
	"distinct": `
CREATE TEMP TABLE result AS
SELECT app, nid, count(DISTINCT device) AS devices, sum(flows) AS flows FROM contacts JOIN pairs USING (aid) GROUP BY ALL;`,

	// Lists joined as lists: the join has a row an address, not a row a device.
	"lists": lists + `
CREATE TEMP TABLE result AS
SELECT app, nid, CASE WHEN count(*) = 1 THEN len(any_value(devs)) ELSE len(list_distinct(flatten(list(devs)))) END AS devices, sum(flows) AS flows
FROM lists JOIN pairs USING (aid) GROUP BY ALL;`,

	// Lists only where they can matter: the sum of the lists' lengths is at
	// least the number of distinct devices, and the number itself where the
	// application contacted one address of the name. So lists are joined for
	// the rest of those names whose sum reaches the wanted support.
	"pruned": lists + `
CREATE TEMP TABLE likely AS
SELECT app, nid, n, k, flows FROM (
	SELECT app, nid, sum(n) AS n, count(*) AS k, sum(flows) AS flows FROM lists JOIN pairs USING (aid) GROUP BY ALL
) JOIN apps USING (app) WHERE n >= $SUPPORT * active;
CREATE TEMP TABLE several AS SELECT app, nid, aid FROM likely JOIN pairs USING (nid) WHERE k > 1;
CREATE TEMP TABLE result AS
SELECT app, nid, n AS devices, flows FROM likely WHERE k = 1
UNION ALL
SELECT app, nid, len(list_distinct(flatten(list(devs)))), sum(flows) FROM several JOIN lists USING (app, aid) GROUP BY ALL;`,
}

var variantNames = slices.Sorted(maps.Keys(variants))

// seen is the SQL that reads flow records of the fleet's style.
func (f fleet) seen() string {
	if f.Style == "collector" {
		return collectorSeen
	}
	return compactSeen
}

// studySQL is the study's question.
func studySQL(in input, o options, out string) []phase {
	return in.fill(out,
		do("flows", macros+o.seen()+contacts),
		do("names", pairs),
		do("join", variants[o.variant]),
		do("files", write),
	)
}

// statsSQL measures what of the fleet decides how hard the question is.
func statsSQL(in input, o options) []phase {
	return in.fill("",
		do("macros", macros),
		ask("% of flows", `
SELECT string_agg(direction || ' ' || round(100.0 * n / total, 1), ', ' ORDER BY n DESC) FROM (
	SELECT *, sum(n) OVER () AS total FROM (
		SELECT CASE WHEN NOT (`+complete+`) THEN 'NULL' WHEN private(sa) AND private(da) THEN 'Internal' WHEN private(sa) THEN 'Outbound'
			WHEN private(da) THEN 'Inbound' ELSE 'NAT' END AS direction, count(*) AS n FROM `+scan+` WHERE NOT (pr IS NULL AND osn IS NOT NULL AND da IS NULL) GROUP BY 1));`),
		do("flows", o.seen()),
		ask("outbound macOS flows", `SELECT sum(flows) FROM seen WHERE addr IS NOT NULL`),
		do("contacts", contacts),
		ask("studied applications", `SELECT count(*) FROM apps`),
		ask("(application, device, address)", `SELECT count(*) FROM contacts`),
		ask("contacted addresses", `SELECT count(*) FROM addrs`),
		ask("rows of DNS with them", `SELECT count(*) FROM read_parquet('$DNS') SEMI JOIN addrs ON rdata = addr`),
		do("names", pairs),
		ask("(address, name)", `SELECT count(*) FROM pairs`),
		ask("names", `SELECT count(*) FROM names`),
		ask("most names on an address", `SELECT max(n) FROM (SELECT count(*) AS n FROM pairs GROUP BY aid)`),
		ask("(application, device, name) with repeats", `SELECT sum(n) FROM contacts JOIN (SELECT aid, count(*) AS n FROM pairs GROUP BY aid) USING (aid)`),
		do("join", variants["pruned"]),
		ask("(application, name)", `SELECT count(*) FROM (SELECT DISTINCT app, nid FROM lists JOIN pairs USING (aid))`),
		ask("(application, name) with support", `SELECT count(*) FROM result JOIN apps USING (app) WHERE devices >= $SUPPORT * active`),
	)
}

// fill puts the run's choices into the phases.
func (in input) fill(out string, phases ...phase) []phase {
	r := strings.NewReplacer("$FLOWS", quoted(in.flows), "$DNS", quoted(in.dns), "$OUT", quoted(out), "$SUPPORT", minSupport, "$PREVALENCE", minPrevalence)
	for i := range phases {
		phases[i].SQL = r.Replace(phases[i].SQL)
	}
	return phases
}

func quoted(s string) string { return strings.ReplaceAll(s, "'", "''") }

// A job is what the DuckDB process is told on its standard input.
type job struct {
	Memory  string  `json:"memory"`
	Threads int     `json:"threads"`
	Spill   string  `json:"spill"` // folder
	Phases  []phase `json:"phases"`
}

// runJob is the DuckDB process: it does the job and prints how long each phase
// took, and what the questions among them gave.
func runJob(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	var j job
	if err := json.NewDecoder(stdin).Decode(&j); err != nil {
		return err
	}
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // temporary tables belong to a connection
	set := fmt.Sprintf("SET threads = %d; SET memory_limit = '%s'; SET temp_directory = '%s'; SET preserve_insertion_order = false",
		j.Threads, quoted(j.Memory), quoted(j.Spill))
	if _, err := db.ExecContext(ctx, set); err != nil {
		return err
	}
	for _, p := range j.Phases {
		start := time.Now()
		var answer any
		var err error
		if p.Ask {
			err = db.QueryRowContext(ctx, p.SQL).Scan(&answer)
		} else {
			_, err = db.ExecContext(ctx, p.SQL)
			answer = fmt.Sprintf("%.2f s", time.Since(start).Seconds())
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		fmt.Fprintf(stdout, "%45s  %v\n", p.Name, answer)
	}
	return nil
}
