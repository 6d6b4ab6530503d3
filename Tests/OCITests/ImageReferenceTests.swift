import OCI
import Testing
import Values

/// distribution/reference: the cases of its normalisation tests.
@Suite struct ImageReferenceTests {
    static let digest = "sha256:" + String(repeating: "a1", count: 32)

    @Test(
        "names and how they are shown",
        arguments: [
            ("x", "docker.io/library/x", "x"), ("x:latest", "docker.io/library/x:latest", "x:latest"),
            ("library/x", "docker.io/library/x", "x"), ("docker.io/x", "docker.io/library/x", "x"),
            ("docker.io/library/x:1", "docker.io/library/x:1", "x:1"),
            ("index.docker.io/library/x", "docker.io/library/x", "x"),
            ("user/app:1.0", "docker.io/user/app:1.0", "user/app:1.0"),
            ("library/a/b", "docker.io/library/a/b", "library/a/b"),
            ("localhost/app", "localhost/app", "localhost/app"),
            ("localhost:5000/app:v1", "localhost:5000/app:v1", "localhost:5000/app:v1"),
            ("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b"),
            ("[2001:db8::1]:5000/app:t", "[2001:db8::1]:5000/app:t", "[2001:db8::1]:5000/app:t"),
            ("Uppercase/app", "Uppercase/app", "Uppercase/app"),
            ("example.com/a__b/c-d--e:T_1.x", "example.com/a__b/c-d--e:T_1.x", "example.com/a__b/c-d--e:T_1.x"),
            ("x@" + digest, "docker.io/library/x@" + digest, "x@" + digest),
            ("x:1@" + digest, "docker.io/library/x:1@" + digest, "x:1@" + digest),
            ("foo_bar.com/x", "foo_bar.com/x", "foo_bar.com/x"), ("127.0.0.1/x", "127.0.0.1/x", "127.0.0.1/x"),
        ])
    func parsed(text: String, whole: String, familiar: String) throws {
        let reference = try ImageReference(parsing: text)
        #expect(reference.description == whole)
        #expect(reference.familiar == familiar)
        #expect(try ImageReference(parsing: whole) == reference)
    }

    @Test(
        "what is refused, with Docker's text",
        arguments: [
            ("", "invalid reference format"), (":tag", "invalid reference format"),
            ("x:", "invalid reference format"), ("x:@y", "invalid reference format"),
            ("-x", "invalid reference format"),
            ("x-", "invalid reference format"), ("a..b", "invalid reference format"),
            ("a___b", "invalid reference format"), ("a//b", "invalid reference format"),
            ("/x", "invalid reference format"), ("x/", "invalid reference format"), ("x y", "invalid reference format"),
            ("x:-t", "invalid reference format"), ("https://x/y", "invalid reference format"),
            ("-host.com/x", "invalid reference format"), ("host:port/x", "invalid reference format"),
            ("x@sha256:12", "invalid reference format"), ("../x", "invalid reference format"),
            ("x:" + String(repeating: "t", count: 129), "invalid reference format"),
            ("App", "invalid reference format: repository name (library/App) must be lowercase"),
            ("user/App:T", "invalid reference format: repository name (user/App) must be lowercase"),
            ("x@sha256:" + String(repeating: "a", count: 40), "invalid checksum digest length"),
            ("x@sha512:" + String(repeating: "a", count: 128), "unsupported digest algorithm"),
            (
                String(repeating: "ab", count: 32),
                "invalid repository name (" + String(repeating: "ab", count: 32)
                    + "), cannot specify 64-byte hexadecimal strings"
            ),
            (
                "a/" + String(repeating: "a", count: 256), "repository name must not be more than 255 characters"
            ),
        ])
    func refused(text: String, message: String) {
        #expect(throws: OCIError(message)) { try ImageReference(parsing: text) }
    }

    @Test func defaultTag() throws {
        #expect(try ImageReference(parsing: "x").tagged.familiar == "x:latest")
        #expect(try ImageReference(parsing: "x:1").tagged.familiar == "x:1")
        #expect(try ImageReference(parsing: "x@" + Self.digest).tagged.tag == nil)
        let longTag = String(repeating: "t", count: 128)
        #expect(try ImageReference(parsing: "x:" + longTag).tag == longTag)
    }
}
