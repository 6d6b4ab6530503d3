#if DEBUG
    import ArgumentParser
    import ClusterModel
    import Glibc

    /// For tests of rolling upgrades: a debug build behaves as a program that knows no newer clusters than
    /// `MARTLET_HIGHEST_CLUSTER_VERSION` says.
    enum OlderProgram {
        static let variable = "MARTLET_HIGHEST_CLUSTER_VERSION"

        static var supportedVersions: SupportedVersions? {
            get throws {
                guard let text = getenv(variable).map({ String(cString: $0) }) else { return nil }
                guard let number = Int(text),
                    let versions = SupportedVersions(lowest: .first, highest: ClusterVersion(number)),
                    versions.highest <= .newest
                else {
                    throw ValidationError("\(variable)=\(text): a version from 1 to \(ClusterVersion.newest)")
                }
                return versions
            }
        }
    }
#endif
