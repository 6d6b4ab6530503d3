import LinuxSystem

/// What a 64-bit little-endian program file says of its loading (elf(5)).
struct ProgramFile {
    /// Of PT_INTERP; nil where the kernel runs the program itself.
    private(set) var loader: String?
    /// How many libraries it names (DT_NEEDED).
    private(set) var neededCount = 0

    private static let loaderType = 3
    private static let dynamicType = 2
    private static let needed = 1

    init(_ path: String) throws {
        let bytes = try Files.read(path, limit: 1 << 30)
        func number(_ offset: Int, _ size: Int) -> Int {
            (0..<size).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
        }
        guard bytes.starts(with: [0x7f, 0x45, 0x4c, 0x46, 2, 1]) else {
            throw SystemError("read", path + " is no 64-bit program", errno: 8)
        }
        let (start, size, count) = (number(32, 8), number(54, 2), number(56, 2))
        for header in stride(from: start, to: start + size * count, by: size) {
            let (type, offset, length) = (number(header, 4), number(header + 8, 8), number(header + 32, 8))
            if type == Self.loaderType {
                loader = String(decoding: bytes[offset..<offset + length - 1], as: UTF8.self)
            } else if type == Self.dynamicType {
                neededCount = stride(from: offset, to: offset + length, by: 16).count { number($0, 8) == Self.needed }
            }
        }
    }
}
