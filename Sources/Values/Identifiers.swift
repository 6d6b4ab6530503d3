/// Makes the identifiers that Docker's clients expect, from the randomness that the caller hands in.
public enum Identifiers {
    private static let base36 = Array("0123456789abcdefghijklmnopqrstuvwxyz".utf8)

    /// 25 characters of base 36: the form of swarm objects' identifiers (about 129 bits).
    public static func swarm(using generator: inout some RandomNumberGenerator) -> String {
        base36(count: 25, using: &generator)
    }

    /// `count` random characters of base 36.
    public static func base36(count: Int, using generator: inout some RandomNumberGenerator) -> String {
        String(decoding: (0..<count).map { _ in base36.randomElement(using: &generator)! }, as: UTF8.self)
    }

    /// 64 hexadecimal digits: the form of containers' and networks' identifiers (256 bits).
    public static func hex64(using generator: inout some RandomNumberGenerator) -> String {
        Hex.encode((0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
    }
}
