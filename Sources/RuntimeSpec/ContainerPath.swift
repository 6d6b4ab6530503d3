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

    /// The absolute path of components.
    ///
    /// `joined(separator:)` would have the runtime make types to compare its own with: much, for a program that ends
    /// soon.
    public static func text(_ components: ArraySlice<String>) -> String { "/" + relative(components) }

    /// The same without a slash at the beginning.
    public static func relative(_ components: ArraySlice<String>) -> String {
        var path = components.first ?? ""
        for component in components.dropFirst() {
            path += "/"
            path += component
        }
        return path
    }
}
