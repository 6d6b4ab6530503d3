import Glibc
import JSON
import Values

/// What a container sees at a path: the values of `--mount`, `--volume`, `--tmpfs`.
enum MountFlag {
    /// `type=bind,source=/a,target=/b,readonly` (Engine API: Mount).
    static func mount(_ text: String, flag: String = "--mount") throws(FlagError) -> JSONValue {
        var mount: JSONValue = ["Type": "volume"]
        var labels: [String: String] = [:]
        var options: [String: String] = [:]
        for (key, value) in KeyedFields.parse(text) {
            func needed() throws(FlagError) -> String {
                guard let value else { throw FlagError(flag, text, "invalid field '\(key)' must be a key=value pair") }
                return value
            }
            switch key {
            case "type":
                let type = try needed().lowercased()
                guard ["bind", "volume", "tmpfs"].contains(type) else {
                    throw FlagError(flag, text, "mount type \"\(type)\" is not available: use bind, volume or tmpfs")
                }
                mount["Type"] = .string(type)
            case "source", "src": mount["Source"] = .string(absolute(try needed()))
            case "target", "dst", "destination": mount["Target"] = .string(try needed())
            case "readonly", "ro":
                mount["ReadOnly"] = .bool(try KeyedFields.flag(value, key, of: text, flag: flag))
            case "consistency": mount["Consistency"] = .string(try needed())
            case "bind-propagation": mount.set("BindOptions", "Propagation", to: .string(try needed()))
            case "bind-nonrecursive":
                mount.set(
                    "BindOptions", "NonRecursive", to: .bool(try KeyedFields.flag(value, key, of: text, flag: flag)))
            case "volume-nocopy":
                mount.set("VolumeOptions", "NoCopy", to: .bool(try KeyedFields.flag(value, key, of: text, flag: flag)))
            case "volume-subpath": mount.set("VolumeOptions", "Subpath", to: .string(try needed()))
            case "volume-label": labels.merge(Assignments.dictionary([try needed()])) { $1 }
            case "volume-opt": options.merge(Assignments.dictionary([try needed()])) { $1 }
            case "volume-driver": mount.set("VolumeOptions", "DriverConfig", "Name", to: .string(try needed()))
            case "tmpfs-size":
                mount.set("TmpfsOptions", "SizeBytes", to: .integer(try NumberFlag.bytes(try needed(), flag: flag)))
            case "tmpfs-mode":
                guard let mode = Int64(try needed(), radix: 8) else {
                    throw FlagError(flag, text, "invalid value for tmpfs-mode: \(value ?? "")")
                }
                mount.set("TmpfsOptions", "Mode", to: .integer(mode))
            default: throw FlagError(flag, text, "unknown option '\(key)' in '\(text)'")
            }
        }
        if !labels.isEmpty { mount.set("VolumeOptions", "Labels", to: .texts(labels)) }
        if !options.isEmpty { mount.set("VolumeOptions", "DriverConfig", "Options", to: .texts(options)) }
        let type = mount.text("Type")
        guard !mount.text("Target").isEmpty else { throw FlagError(flag, text, "target is required") }
        guard type != "bind" || !mount.text("Source").isEmpty else {
            throw FlagError(flag, text, "source is required for a bind mount")
        }
        for (member, owner) in [("BindOptions", "bind"), ("VolumeOptions", "volume"), ("TmpfsOptions", "tmpfs")]
        where mount[member] != nil && type != owner {
            throw FlagError(flag, text, "cannot mix '\(owner)-*' options with mount type '\(type)'")
        }
        return mount
    }

    /// `source:target[:options]`, its source made absolute; nil for a path alone, which is an anonymous volume.
    static func bind(_ text: String) -> String? {
        guard text.contains(":") else { return nil }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        return absolute(String(parts[0])) + ":" + parts[1]
    }

    /// `/run:size=64m` as path and options.
    static func tmpfs(_ text: String) -> (path: String, options: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        return (parts[0], parts.count > 1 ? parts[1] : "")
    }

    /// A path that begins with a dot, from this process's directory.
    private static func absolute(_ path: String) -> String {
        guard path == "." || path == ".." || path.hasPrefix("./") || path.hasPrefix("../"),
            let directory = getcwd(nil, 0)
        else { return path }
        defer { free(directory) }
        var parts = String(cString: directory).split(separator: "/")
        for part in path.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }
}
