import LinuxSystem

/// The directories that martletd owns on its host.
enum HostDirectories {
    /// Makes them where they are missing; nobody but root looks into the data.
    static func prepare(data: String, run: String) throws {
        try Files.makeDirectories(data, mode: 0o711)
        try Files.makeDirectories(run, mode: 0o755)
    }
}
