import EngineModel
import Values

/// The texts of a container's /etc/hosts and /etc/resolv.conf (hosts(5), resolv.conf(5)).
enum IdentityFiles {
    /// Where a container on a network with names asks.
    static let embeddedServer = "127.0.0.11"
    /// What stands for the host in `--add-host name:host-gateway`.
    static let hostGateway = "host-gateway"

    static func hosts(
        hostname: String, domainname: String, addresses: [IPAddress], extra: [String], gateway: IPAddress?
    ) -> String {
        var text = """
            127.0.0.1\tlocalhost
            ::1\tlocalhost ip6-localhost ip6-loopback
            fe00::0\tip6-localnet
            ff00::0\tip6-mcastprefix
            ff02::1\tip6-allnodes
            ff02::2\tip6-allrouters

            """
        for entry in extra {
            guard let separator = entry.firstIndex(where: { $0 == ":" || $0 == "=" }) else { continue }
            var address = String(entry[entry.index(after: separator)...])
            if address == hostGateway { address = gateway?.description ?? "127.0.0.1" }
            if address.hasPrefix("["), address.hasSuffix("]") { address = String(address.dropFirst().dropLast()) }
            text += "\(address)\t\(entry[..<separator])\n"
        }
        guard !hostname.isEmpty else { return text }
        let names = domainname.isEmpty ? hostname : "\(hostname).\(domainname) \(hostname)"
        for address in addresses { text += "\(address)\t\(names)\n" }
        return text
    }

    /// Refuses entries that are not `name:address`.
    static func check(extraHosts: [String]) throws(EngineError) {
        for entry in extraHosts {
            guard let separator = entry.firstIndex(where: { $0 == ":" || $0 == "=" }), separator > entry.startIndex
            else { throw EngineError(.invalidParameter, "bad format for add-host: \"\(entry)\"") }
            var address = String(entry[entry.index(after: separator)...])
            if address.hasPrefix("["), address.hasSuffix("]") { address = String(address.dropFirst().dropLast()) }
            guard address == hostGateway || IPAddress(address) != nil else {
                throw EngineError(.invalidParameter, "invalid IP address in add-host: \"\(address)\"")
            }
        }
    }

    /// What a resolv.conf says.
    struct Resolver: Hashable {
        var servers: [String] = []
        var search: [String] = []
        var options: [String] = []

        init() {}

        init(parsing text: String) {
            for line in text.split(separator: "\n") {
                let words = line.prefix { $0 != "#" && $0 != ";" }.split(whereSeparator: \.isWhitespace).map(
                    String.init)
                guard words.count > 1 else { continue }
                switch words[0] {
                case "nameserver": servers.append(words[1])
                case "search", "domain": search = Array(words.dropFirst())
                case "options": options += words.dropFirst()
                default: break
                }
            }
        }

        var text: String {
            var text = servers.map { "nameserver \($0)\n" }.joined()
            if !search.isEmpty { text += "search \(search.joined(separator: " "))\n" }
            if !options.isEmpty { text += "options \(options.joined(separator: " "))\n" }
            return text
        }

        /// The host's own, without servers that a container cannot reach, and with what the client wants instead.
        func forContainer(_ host: HostConfiguration, fallback: [String]) -> Resolver {
            var result = self
            result.servers = servers.filter { !(IPAddress($0)?.isLoopback ?? true) }
            if result.servers.isEmpty { result.servers = fallback }
            if let dns = host.dns, !dns.isEmpty { result.servers = dns }
            if let search = host.dnsSearch, !search.isEmpty { result.search = search.filter { $0 != "." } }
            if let options = host.dnsOptions, !options.isEmpty { result.options = options }
            return result
        }
    }
}
