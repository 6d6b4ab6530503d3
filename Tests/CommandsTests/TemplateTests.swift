import JSON
import Testing

@testable import Commands

@Suite struct TemplateTests {
    private let value: JSONValue = [
        "Id": "abc", "Count": 3, "On": true, "Off": false, "Nothing": nil, "Names": ["a", "b"],
        "Labels": ["com.x/y": "1", "z": "2"],
        "State": ["Status": "running", "Pid": 7],
        "Ports": ["80/tcp": [["HostIp": "0.0.0.0", "HostPort": "8080"]], "443/tcp": nil],
        Template.labelsMember: ["z": "2"],
    ]

    @Test(arguments: [
        ("{{.Id}}", "abc"), ("x{{ .Id }}y", "xabcy"), ("{{.State.Status}}:{{.State.Pid}}", "running:7"),
        ("{{json .State}}", #"{"Pid":7,"Status":"running"}"#), ("{{json .Names}}", #"["a","b"]"#),
        ("{{.Names}}", "[a b]"), ("{{.State}}", "map[Pid:7 Status:running]"), ("{{.Nothing}}", "<no value>"),
        ("{{index .Labels \"com.x/y\"}}", "1"), ("{{index .Names 1}}", "b"),
        ("{{index .Labels \"none\"}}", "<no value>"),
        ("{{(index (index .Ports \"80/tcp\") 0).HostPort}}", "8080"),
        ("{{range .Names}}<{{.}}>{{end}}", "<a><b>"), ("{{range $i, $n := .Names}}{{$i}}={{$n}};{{end}}", "0=a;1=b;"),
        ("{{range $p, $c := .Ports}}{{$p}} {{end}}", "443/tcp 80/tcp "),
        ("{{range .Nothing}}x{{else}}empty{{end}}", "empty"), ("{{if .On}}yes{{else}}no{{end}}", "yes"),
        ("{{if .Off}}yes{{else if .Count}}count{{else}}no{{end}}", "count"), ("{{if .Missing}}yes{{end}}none", "none"),
        ("{{if .State.Health}}{{.State.Health.Status}}{{else}}no probe{{end}}", "no probe"),
        ("{{with .State}}{{.Status}}{{end}}", "running"), ("{{len .Names}}", "2"), ("{{len .Id}}", "3"),
        ("{{join .Names \",\"}}", "a,b"), ("{{.Id | upper}}", "ABC"), ("{{upper .Id | lower | title}}", "Abc"),
        ("{{println .Id .Count}}", "abc 3\n"),
        ("{{printf \"%s-%05d|%-4s|%q\" .Id .Count .Id .Id}}", "abc-    3|abc |\"abc\""),
        ("{{eq .Id \"abc\"}} {{ne .Count 3}} {{gt .Count 2}}", "true false true"),
        ("{{and .On .Id}} {{or .Off .Id}} {{not .Off}}", "abc abc true"), ("{{$x := .Id}}{{$x}}{{$.Count}}", "abc3"),
        ("a {{- .Id -}} b", "aabcb"), ("{{/* nothing */}}x", "x"), ("{{.Label \"z\"}}", "2"),
        ("{{truncate .Id 2}}", "ab"),
        ("{{slice .Names 1}}", "[b]"), ("{{\"}}\"}}", "}}"), ("{{range split \"a/b\" \"/\"}}{{.}} {{end}}", "a b "),
    ])
    func fills(_ template: String, _ expected: String) throws {
        #expect(try Template(template).render(value) == expected)
    }

    @Test(arguments: [
        ("{{.Missing}}", "map has no entry for key \"Missing\""), ("{{.Id.Deeper}}", "can't evaluate field Deeper"),
        ("{{.State.None.More}}", "map has no entry for key \"None\""), ("{{index .Names 7}}", "index out of range: 7"),
        ("{{json}}", "wrong number of args for json: want 1 got 0"), ("{{.Id 3}}", "can't give argument"),
    ])
    func failsWhenFilled(_ template: String, _ reason: String) throws {
        let read = try Template(template)
        let error = try #require(throws: TemplateError.self) { try read.render(value) }
        #expect(error.description.contains(reason))
    }

    @Test(arguments: [
        "{{.Id", "{{if .Id}}x", "{{range .Names}}", "{{end}}", "{{else}}", "{{nonsense .Id}}", "{{}}", "{{(.Id}}",
        "{{\"a}}",
        "{{.Id)}}",
    ])
    func failsWhenRead(_ template: String) {
        #expect(throws: TemplateError.self) { try Template(template) }
    }
}

@Suite struct ListingTests {
    private let listing = Listing(
        headings: ["ID": "CONTAINER ID", "Name": "NAMES", "Labels": "LABELS"], columns: "{{.ID}}\t{{.Name}}",
        rows: [
            ["ID": "1", "Name": "a-long-name", "Labels": "k=v", Template.labelsMember: ["k": "v"]],
            ["ID": "0123456789ab", "Name": "b", "Labels": "", Template.labelsMember: [:]],
        ])

    @Test("Columns are at least ten wide and three apart; the last is not padded")
    func table() throws {
        #expect(
            try listing.render(format: nil) == """
                CONTAINER ID   NAMES
                1              a-long-name
                0123456789ab   b

                """)
        #expect(
            try listing.render(format: "table {{.Name}}\\t{{.ID}}") == """
                NAMES         CONTAINER ID
                a-long-name   1
                b             0123456789ab

                """)
        #expect(Table.layOut(["A\tB", "1\t2"]) == "A         B\n1         2\n")
    }

    @Test func otherFormats() throws {
        #expect(try listing.render(format: "{{.ID}}={{.Name}}") == "1=a-long-name\n0123456789ab=b\n")
        #expect(try listing.render(format: nil, quiet: true) == "1\n0123456789ab\n")
        #expect(
            try listing.render(format: "json").split(separator: "\n").first
                == #"{"ID":"1","Labels":"k=v","Name":"a-long-name"}"#)
        #expect(try listing.render(format: "table {{.Label \"k\"}}") == "k\nv\n\n")
        #expect(throws: TemplateError.self) { try listing.render(format: "{{.Size}}") }
        #expect(throws: TemplateError.self) { try listing.render(format: "table {{.Size}}") }
    }
}
