/// Names for containers that nobody named: an adjective and a bird.
public enum ContainerNames {
    private static let adjectives = [
        "agile", "amber", "brave", "bright", "calm", "clever", "crisp", "daring", "eager", "early", "fair", "fleet",
        "gentle", "glad", "golden", "hardy", "keen", "kind", "light", "lively", "lucid", "merry", "mild", "nimble",
        "noble", "patient", "plain", "proud", "quick", "quiet", "ready", "rosy", "sharp", "silver", "steady", "swift",
        "tidy", "upbeat", "vivid", "warm", "wise", "witty",
    ]
    private static let birds = [
        "avocet", "bittern", "bunting", "chough", "crane", "curlew", "dipper", "dunlin", "eider", "falcon", "finch",
        "godwit", "grebe", "harrier", "heron", "hobby", "hoopoe", "ibis", "jackdaw", "kestrel", "kite", "lapwing",
        "linnet", "martin", "merlin", "nuthatch", "oriole", "osprey", "petrel", "pipit", "plover", "puffin", "raven",
        "redwing", "robin", "serin", "shrike", "siskin", "stork", "swallow", "teal", "tern", "thrush", "wagtail",
        "warbler", "wigeon", "wren",
    ]

    /// A name that `isTaken` does not know.
    public static func generate(
        using generator: inout some RandomNumberGenerator, isTaken: (String) -> Bool
    ) -> String {
        for _ in 0..<8 {
            let name = adjectives.randomElement(using: &generator)! + "_" + birds.randomElement(using: &generator)!
            if !isTaken(name) { return name }
        }
        while true {
            let name =
                adjectives.randomElement(using: &generator)! + "_" + birds.randomElement(using: &generator)!
                + String(UInt16.random(in: .min ... .max, using: &generator))
            if !isTaken(name) { return name }
        }
    }

    /// Docker's rule: a letter or digit, then at least one of letters, digits, `_`, `.` and `-`.
    public static func isValid(_ name: some StringProtocol) -> Bool {
        let characters = Array(name.utf8)
        guard characters.count >= 2, characters.count <= 253, isAlphanumeric(characters[0]) else { return false }
        return characters.allSatisfy { isAlphanumeric($0) || [0x5f, 0x2e, 0x2d].contains($0) }
    }

    private static func isAlphanumeric(_ character: UInt8) -> Bool {
        (0x30...0x39).contains(character) || (0x41...0x5a).contains(character) || (0x61...0x7a).contains(character)
    }
}
