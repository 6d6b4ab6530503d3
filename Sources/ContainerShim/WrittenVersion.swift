/// The version of a text, read by itself: a newer one may have members that this program cannot read.
struct WrittenVersion: Decodable {
    var version: Int
}
