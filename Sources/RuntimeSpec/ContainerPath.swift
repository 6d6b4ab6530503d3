/// Paths in a container as text: what they name is not looked at.
public enum ContainerPath {
    /// The components of a path with `.` and `..` taken out; the result never leaves the root.
    public static func components(_ path: String) -> [String] {
        var result: [String] = []
        for component in path.split(separator: "/") where component != "." {
            if component == ".." { _ = result.popLast() } else { result.append(String(component)) }
        }
        return result
    }
}
