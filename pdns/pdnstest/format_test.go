package pdnstest_test

import (
	"testing"

	"github.com/endoflow/endoflow/pdns"
	"github.com/endoflow/endoflow/pdns/pdnstest"
)

func TestFormatOfCOF(t *testing.T) {
	pdnstest.TestFormat(t, func() pdns.Format { return new(pdns.COF) },
		`{"rrname":"WWW.Example.com.","rrtype":"A","rdata":["21.0.0.1","21.0.0.2"],"time_first":1600128000,"time_last":1600214399,"count":7}`,
		`{"rrname":"www.example.com","rrtype":28,"rdata":"2600:1::0:1","zone_time_first":1600128000,"zone_time_last":1600214399,"origin":"x"}`,
		`{"rrname":"a.example","rrtype":"CNAME","rdata":"B.example.","time_first":1600128000,"time_last":1600214399}`,
		`{"rrname":"a.example","rrtype":"TXT","rdata":"\u00e9 \"x\"","time_first":1600128000.5,"time_last":1600214399}`,
	)
}

func TestFormatOfZeek(t *testing.T) {
	pdnstest.TestFormat(t, func() pdns.Format { return new(pdns.Zeek) },
		"#separator \\x09\n#path\tdns\n#fields\tts\tquery\tqtype_name\trcode_name\tanswers\tTTLs",
		"1600128000.5\tWWW.example.com\tA\tNOERROR\tedge.example,21.0.0.1,21.0.0.2\t60.000000,30.000000,30.000000",
		"1600128001.5\tnone.example\tA\tNXDOMAIN\t-\t-",
		`{"ts":1600128000.5,"id.orig_h":"10.0.0.5","query":"www.example.com","qtype_name":"AAAA","rcode_name":"NOERROR","answers":["2600:1::1"],"TTLs":[60.0]}`,
	)
}

func TestFormatOfSysmon(t *testing.T) {
	pdnstest.TestFormat(t, func() pdns.Format { return new(pdns.Sysmon) },
		`{"EventID":22,"UtcTime":"2020-10-22 05:54:24.255","QueryName":"www.example.com","QueryStatus":"0","QueryResults":"type:  5 edge.example;::ffff:21.0.0.1;2600:1::1;"}`,
		`{"event_id":22,"event_data":{"QueryName":"none.example","QueryStatus":"9003","QueryResults":"-"}}`,
		`{"EventID":3,"SourceIp":"10.0.0.5"}`,
	)
}

func ExampleTestFormat() {
	t := new(testing.T) // in a test, the test's own
	pdnstest.TestFormat(t, func() pdns.Format { return new(pdns.COF) },
		`{"rrname":"www.example.com","rrtype":"A","rdata":"21.0.0.1","time_first":1600128000,"time_last":1600214399}`)
}
