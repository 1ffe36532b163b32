package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/parquet-go/parquet-go"
)

// annotates reports whether the task is one of enriched flows: annotate, with
// the list of names at each flow, or factored, with the names of each address in
// a file of their own.
func (o options) annotates() bool { return o.task == "annotate" || o.task == "factored" }

// annotateCommand is the command line of annotate, to which -expand is added for
// lists. It writes all flows, and the names of either direction's remote end.
const annotateCommand = "annotate -flows FLOWS -flow-format nvm -pdns DNS -pdns-format parquet -direction paper -names owner -memory MEMORY -o OUT"

// annotateSQL writes every outbound macOS flow as Parquet, with all that its
// record says.
func annotateSQL(in input, factored bool, out string) []phase {
	const outbound = macros + `
CREATE TEMP VIEW outbound AS
SELECT * FROM read_json('$FLOWS', format = 'newline_delimited', columns = {
	pr: 'VARCHAR', sa: 'VARCHAR', sp: 'USMALLINT', da: 'VARCHAR', dp: 'USMALLINT', fss: 'BIGINT', fes: 'BIGINT', udid: 'VARCHAR', vsn: 'VARCHAR',
	osn: 'VARCHAR', osv: 'VARCHAR', liuid: 'VARCHAR', pa: 'VARCHAR', pn: 'VARCHAR', ph: 'VARCHAR', ppath: 'VARCHAR', ppn: 'VARCHAR', pph: 'VARCHAR',
	ibc: 'UBIGINT', obc: 'UBIGINT', dh: 'VARCHAR'})
WHERE osn LIKE 'Mac%' AND ` + complete + ` AND private(sa) AND NOT private(da);`
	if factored {
		return in.fill(out,
			do("flows", outbound+`
COPY outbound TO '$OUT' (FORMAT parquet, COMPRESSION zstd);
CREATE TEMP TABLE addrs AS SELECT DISTINCT da AS addr FROM read_parquet('$OUT');`),
			do("names", `
COPY (
	SELECT DISTINCT rdata AS addr, lower(rtrim(rrname, '.')) AS name FROM read_parquet('$DNS') SEMI JOIN addrs ON rdata = addr WHERE rrtype IN ('A', 'AAAA')
) TO '$OUT.names' (FORMAT parquet, COMPRESSION zstd);`))
	}
	return in.fill(out,
		do("flows", outbound+`
CREATE TEMP TABLE flows AS FROM outbound;
CREATE TEMP TABLE addrs AS SELECT DISTINCT da AS addr FROM flows;`),
		do("names", `
CREATE TEMP TABLE named AS
SELECT rdata AS addr, list(DISTINCT lower(rtrim(rrname, '.'))) AS names
FROM read_parquet('$DNS') SEMI JOIN addrs ON rdata = addr WHERE rrtype IN ('A', 'AAAA') GROUP BY ALL;`),
		do("join and write", `
COPY (SELECT flows.*, names FROM flows LEFT JOIN named ON da = addr) TO '$OUT' (FORMAT parquet, COMPRESSION zstd);`))
}

// checkSQL fails unless both sides have as many flows and as many names with
// them, of the flows that both write and whose sensor knew no name: that is in
// annotate's list too.
func checkSQL(in input, factored bool, ours, theirs string) []phase {
	const count = `SELECT count(*) || ' flows with ' || coalesce(sum(names), 0) || ' names' FROM `
	mine := count + `(SELECT len(names) AS names FROM read_parquet('$OUT') WHERE `
	his := count + `(SELECT len(names) AS names FROM read_parquet('` + quoted(theirs) + `') WHERE `
	if factored {
		mine = count + `(SELECT n AS names FROM read_parquet('$OUT') LEFT JOIN (SELECT address, count(*) AS n FROM read_parquet('` + quoted(namesFile(ours)) + `') GROUP BY ALL) ON remote = address WHERE `
		his = count + `(SELECT n AS names FROM read_parquet('` + quoted(theirs) + `') LEFT JOIN (SELECT addr, count(*) AS n FROM read_parquet('` + quoted(theirs) + `.names') GROUP BY ALL) ON da = addr WHERE `
	}
	mine += `os = 'macos' AND direction = 'Outbound' AND "null" IS NULL AND sensor_name IS NULL)`
	his += `missing(dh))`
	return in.fill(ours, do("macros", macros), ask("check", `
SELECT CASE WHEN mine = his THEN mine ELSE error('annotate has ' || mine || ', DuckDB ' || his) END FROM (SELECT (`+mine+`) AS mine, (`+his+`) AS his)`))
}

// namesFile is where annotate writes names beside flows.
func namesFile(flows string) string { return flows[:len(flows)-len(".parquet")] + ".names.parquet" }

// annotateRound runs annotate and DuckDB, and requires that they name as much.
func (r *runner) annotateRound(ctx context.Context, swap bool) (ours, theirs cost, err error) {
	factored := r.task == "factored"
	mine, his := filepath.Join(r.work, "annotate.parquet"), filepath.Join(r.work, "duckdb.parquet")
	line := annotateCommand
	if !factored {
		line += " -expand"
	}
	sides := []func() error{
		func() (err error) { ours, err = r.run(r.command(ctx, line, mine, r.memory)); return },
		func() (err error) { theirs, err = r.duckdb(ctx, annotateSQL(r.input, factored, his)); return },
	}
	if swap {
		slices.Reverse(sides)
	}
	for _, side := range sides {
		if err := side(); err != nil {
			return ours, theirs, err
		}
	}
	if _, err := r.duckdb(ctx, checkSQL(r.input, factored, mine, his)); err != nil {
		return ours, theirs, err
	}
	err = errors.Join(ours.measure(mine, namesFile(mine)), theirs.measure(his, his+".names"))
	return ours, theirs, err
}

// measure counts the flows and bytes of Parquet files, the first that of flows,
// and removes them.
func (c *cost) measure(names ...string) error {
	for i, name := range names {
		f, err := os.Open(name)
		if i > 0 && errors.Is(err, os.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		c.Bytes += info.Size()
		if i == 0 {
			file, err := parquet.OpenFile(f, info.Size())
			if err != nil {
				return err
			}
			c.Flows = file.NumRows()
		}
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}
