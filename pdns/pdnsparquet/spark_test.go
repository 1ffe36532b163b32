package pdnsparquet_test

import (
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/endoflow/endoflow/pdns"
	"github.com/endoflow/endoflow/pdns/pdnsparquet"
	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
)

// libraryData returns the folder of test data of the Parquet library, which has
// files that Spark itself and Hive wrote. They are of a benchmark's customers, of
// whom those born in May have the number of a CNAME in a column.
func libraryData(t *testing.T) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/parquet-go/parquet-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(dir)), "testdata")
}

// A customer has the columns that the test reads. Spark's file has a colon behind
// each name. What is null in Hive's is 0 or "" here.
type customer struct {
	Born     int64  `parquet:"c_birth_month"`
	Day      int64  `parquet:"c_birth_day"`
	Name     string `parquet:"c_first_name"`
	LastName string `parquet:"c_last_name"`
}

type colonCustomer struct {
	Born     int64  `parquet:"c_birth_month:"`
	Day      int64  `parquet:"c_birth_day:"`
	Name     string `parquet:"c_first_name:"`
	LastName string `parquet:"c_last_name:"`
}

// TestSpark reads what Spark (parquet-mr 1.12 and 1.8, data pages of version 2) and
// Hive wrote, and compares with the library's own reader.
func TestSpark(t *testing.T) {
	dir := libraryData(t)
	const spark, hive = "delta_encoding_required_column.parquet", "delta_encoding_optional_column.parquet"
	bySpark, err := parquet.ReadFile[colonCustomer](filepath.Join(dir, spark))
	if err != nil {
		t.Fatal(err)
	}
	byHive, err := parquet.ReadFile[customer](filepath.Join(dir, hive))
	if err != nil {
		t.Fatal(err)
	}
	customers := map[string][]customer{hive: byHive}
	for _, c := range bySpark {
		customers[spark] = append(customers[spark], customer(c))
	}
	for name, colon := range map[string]string{spark: ":", hive: ""} {
		var want []pdns.Record
		refused := int64(0)
		for _, c := range customers[name] {
			switch {
			case c.Born == 0, c.Born == 1 && c.LastName != "", c.Born == 5 && c.Name == "":
				refused++ // without a type, of type A with a name for an address, without a name
			case c.Born == 5 && c.LastName != "":
				want = append(want, pdns.Record{
					RRName: strings.ToLower(c.Name), RRType: pdns.CNAME, RData: strings.ToLower(c.LastName), Count: uint64(c.Day),
				})
			}
		}
		if len(want) < 5 || refused < 5 {
			t.Fatalf("%s: %d and %d customers of 100 test little", name, len(want), refused)
		}
		got, counts := readRecords(t, &pdnsparquet.Files{
			FS: os.DirFS(dir), Patterns: []string{name},
			Columns: pdnsparquet.Columns{RRName: "c_first_name" + colon, RRType: "c_birth_month" + colon, RData: "c_last_name" + colon, Count: "c_birth_day" + colon},
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-library +here):\n%s", name, diff)
		}
		if counts.Records != int64(len(want)) || counts.Errors != refused || counts.Lines != 100 {
			t.Errorf("%s: counts %+v, want %d records and %d errors", name, counts, len(want), refused)
		}
	}
	got, _ := readRecords(t, &pdnsparquet.Files{
		FS: os.DirFS(dir), Patterns: []string{"datapage_v2.snappy.parquet"},
		Columns: pdnsparquet.Columns{RRName: "a", RRType: "b", RData: "a"},
	})
	if diff := cmp.Diff([]pdns.Record{{RRName: "abc", RRType: pdns.CNAME, RData: "abc", Count: 1}}, got); diff != "" {
		t.Errorf("with a dictionary: (-want +got)\n%s", diff)
	}
}

func readRecords(t *testing.T, files *pdnsparquet.Files) (recs []pdns.Record, counts pdns.Counts) {
	t.Helper()
	files.Workers = 1
	counts, err := files.Read(t.Context(), func(seq iter.Seq2[pdns.Record, error]) error {
		for rec, err := range seq {
			if err == nil {
				recs = append(recs, rec)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return recs, counts
}
