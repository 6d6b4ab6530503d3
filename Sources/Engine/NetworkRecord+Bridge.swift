import EngineModel
import NetworkModel
import Values

extension NetworkRecord {
    static let bridgeName = "com.docker.network.bridge.name"
    static let masquerade = "com.docker.network.bridge.enable_ip_masquerade"
    static let mtuOption = "com.docker.network.driver.mtu"

    /// The names that every engine has.
    static let predefined: Set<String> = ["bridge", "host", "none"]

    var isPredefined: Bool { Self.predefined.contains(name) && scope == "local" }
    var isDefaultBridge: Bool { name == "bridge" && driver == "bridge" }
    /// Whether containers of the network find each other by name.
    var resolvesNames: Bool { driver == "bridge" && !isDefaultBridge || driver == "overlay" }
    var mtu: Int { options[Self.mtuOption].flatMap { Int($0) } ?? 1500 }

    /// The bridge that the kernel has to hold; nil for other drivers.
    var bridge: LocalBridge? {
        guard driver == "bridge", let subnet, let gateway else { return nil }
        return LocalBridge(
            id: id, linkName: options[Self.bridgeName], subnet: subnet, gateway: gateway, isInternal: isInternal,
            masquerades: options[Self.masquerade] != "false", mtu: mtu)
    }
}
