import SwiftASN1
import Values
import X509

/// Who a node's certificate says it is: common name, organizational unit and organization, as in Docker's swarm mode.
public struct PeerIdentity: Hashable, Sendable, CustomStringConvertible {
    /// What a node's certificate lets it do.
    public enum Role: String, Hashable, Sendable, Codable, CaseIterable {
        case manager
        case worker

        /// The organizational unit that stands for the role.
        var unit: String { "swarm-" + rawValue }
    }

    public let nodeID: String
    public let role: Role
    public let clusterID: String

    public init(nodeID: String, role: Role, clusterID: String) {
        self.nodeID = nodeID
        self.role = role
        self.clusterID = clusterID
    }

    /// Reads the subject of a certificate that was verified already.
    init(certificate: Certificate) throws(PKIError) {
        self.init(
            nodeID: try Self.attribute(.RDNAttributeType.commonName, "common name", in: certificate.subject),
            role: try Self.role(of: certificate.subject),
            clusterID: try Self.attribute(.RDNAttributeType.organizationName, "organization", in: certificate.subject))
    }

    /// Reads the subject of a certificate that was verified before, and checks that it still holds.
    public init(certificate: Certificate, at time: Timestamp) throws(PKIError) {
        try TrustRoots.requireValidity(certificate, at: time)
        try self.init(certificate: certificate)
    }

    public var description: String { "\(role.rawValue) \(nodeID) of cluster \(clusterID)" }

    /// The subject of this node's certificate.
    var subject: DistinguishedName {
        get throws {
            try DistinguishedName {
                OrganizationName(clusterID)
                OrganizationalUnitName(role.unit)
                CommonName(nodeID)
            }
        }
    }

    private static func role(of subject: DistinguishedName) throws(PKIError) -> Role {
        let unit = try attribute(.RDNAttributeType.organizationalUnitName, "organizational unit", in: subject)
        guard let role = Role.allCases.first(where: { $0.unit == unit }) else {
            throw PKIError.notANodeCertificate("its organizational unit \"\(unit)\" is no role")
        }
        return role
    }

    /// The one attribute of `type`; none, several or an empty one are refused.
    static func attribute(
        _ type: ASN1ObjectIdentifier, _ name: String, in subject: DistinguishedName
    ) throws(PKIError) -> String {
        let values = subject.flatMap { name in name.filter { $0.type == type } }.compactMap { String($0.value) }
        guard values.count == 1, !values[0].isEmpty else {
            throw PKIError.notANodeCertificate("it has \(values.count) names of the kind \(name)")
        }
        return values[0]
    }
}
