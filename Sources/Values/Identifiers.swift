/// Makes the identifiers that Docker's clients expect, from the randomness that the caller hands in.
public enum Identifiers {
    private static let base36 = Array("0123456789abcdefghijklmnopqrstuvwxyz".utf8)

    private static let digitsAtOnce = 12
    /// 36 to the power of `digitsAtOnce`.
    private static let digitsAtOnceRange: UInt64 = 4_738_381_338_321_616_896

    /// 25 characters of base 36: the form of swarm objects' identifiers (about 129 bits).
    public static func swarm(using generator: inout some RandomNumberGenerator) -> String {
        base36(count: 25, using: &generator)
    }

    /// `count` random characters of base 36.
    public static func base36(count: Int, using generator: inout some RandomNumberGenerator) -> String {
        var characters: [UInt8] = []
        characters.reserveCapacity(count)
        // The system's generator is a system call each time: one number makes as many characters as it is good for.
        while characters.count < count {
            var number = generator.next(upperBound: digitsAtOnceRange)
            for _ in 0..<min(digitsAtOnce, count - characters.count) {
                characters.append(base36[Int(number % 36)])
                number /= 36
            }
        }
        return String(decoding: characters, as: UTF8.self)
    }

    /// 64 hexadecimal digits: the form of containers' and networks' identifiers (256 bits).
    public static func hex64(using generator: inout some RandomNumberGenerator) -> String {
        Hex.encode((0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
    }
}
