import ClusterModel
import JSON
import Testing
import Values

/// What is written to the log, member by member, as of `ClusterVersion.newest`.
///
/// Where this test fails, a release would write what managers of the one before do not know, and they would stop. What
/// is new takes a new `ClusterVersion`, a question before it is written, and a line in `Mutation.requiredVersion`; then
/// the list below is brought up to date (docs/consensus.md, "Versions").
@Suite struct LogMembersTests {
    private static let mutations = [
        "putCluster", "putNode", "removeNode", "putService", "removeService", "createTask", "removeTask", "desire",
        "assign", "explain", "orphan", "allocate", "progress", "allocateGateway", "moveCursor", "putNetwork",
        "removeNetwork", "putAttachment", "removeAttachment", "putConfig", "removeConfig", "putSecret", "removeSecret",
        "observe", "observeNode", "openSession", "raiseVersion",
    ]

    private static let expected = """
        AttachmentObject: address containerID id names networkID nodeID version
        Author.node: client id
        Author: node orchestrator
        ClusterObject: addressPools createdAt dataPathPort gatewayPool history id isOpen managerToken nextVNI \
        rootCertificate rootKey sealingKey spec subnetSize unlockKey updatedAt version workerToken
        ConfigObject: createdAt data id spec updatedAt version
        ContainerSpec.NameServers: nameservers options search
        ContainerSpec: args capabilityAdd capabilityDrop command configs dir dnsConfig env groups healthcheck \
        hostname hosts image init isolation labels mounts oomScoreAdj openStdin privileges readOnly secrets \
        stopGracePeriod stopSignal sysctls tty ulimits user
        EndpointSpec: mode ports
        HealthConfiguration: interval retries startInterval startPeriod test timeout
        MountSpecification.BindOptions: createMountpoint nonRecursive propagation
        MountSpecification.TmpfsOptions: mode sizeBytes
        MountSpecification.VolumeOptions.DriverConfiguration: name options
        MountSpecification.VolumeOptions: driverConfig labels noCopy subpath
        MountSpecification: bindOptions readOnly source target tmpfsOptions type volumeOptions
        Mutation.allocate: _1 serviceID
        Mutation.allocateGateway: _1 nodeID
        Mutation.assign: attachments nodeID taskID
        Mutation.createTask: _0
        Mutation.desire: _1 taskID
        Mutation.explain: reason taskID
        Mutation.moveCursor: _1 networkID
        Mutation.observe: _0
        Mutation.observeNode: _1 _2 id
        Mutation.openSession: nodeID session
        Mutation.orphan: taskID
        Mutation.progress: _1 serviceID
        Mutation.putAttachment: _0
        Mutation.putCluster: _0 expected
        Mutation.putConfig: _0 expected
        Mutation.putNetwork: _0 expected
        Mutation.putNode: _0 expected
        Mutation.putSecret: _0 expected
        Mutation.putService: _0 expected
        Mutation.raiseVersion: to
        Mutation.removeAttachment: _0
        Mutation.removeConfig: _0 expected
        Mutation.removeNetwork: _0 expected
        Mutation.removeNode: _0 expected
        Mutation.removeSecret: _0 expected
        Mutation.removeService: _0 expected
        Mutation.removeTask: _0
        Mutation: allocate allocateGateway assign createTask desire explain moveCursor observe observeNode \
        openSession orphan progress putAttachment putCluster putConfig putNetwork putNode putSecret putService \
        raiseVersion removeAttachment removeConfig removeNetwork removeNode removeSecret removeService removeTask
        NetworkAttachmentConfiguration: aliases driverOpts target
        NetworkObject.Spec: driver isAttachable isIngress isInternal labels name options
        NetworkObject: createdAt cursor gateway id spec subnet updatedAt version vni
        NodeDescription.Engine: engineVersion labels
        NodeDescription.Platform: OS architecture
        NodeDescription.Resources: memoryBytes nanoCPUs
        NodeDescription: engine hostname platform resources
        NodeObject: clusterAddress createdAt description gatewayBlock id raftMember session spec status updatedAt \
        version
        NodeSpec: availability labels name role
        NodeStatus: addr message state
        ObjectVersion: index
        PayloadSpec: labels name templating
        PortConfiguration: name protocol publishMode publishedPort targetPort
        SealedValue: box keyID
        SecretObject: createdAt data id spec updatedAt version
        ServiceEndpoint: ports spec virtualIPs
        ServiceMode.Replicated: replicas
        ServiceMode: global globalJob replicated replicatedJob
        ServiceObject: createdAt document endpoint id latestSpecVersion previousDocument previousSpec \
        previousSpecVersion spec specVersion updateStatus updatedAt version
        ServiceSpec: endpointSpec labels mode name networks rollbackConfig taskTemplate updateConfig
        TaskAttachment: address aliases networkID
        TaskObject: attachments createdAt desiredSince desiredState endpoint id isReady nodeID notBefore \
        readinessCounter readyAt serviceID slot spec specVersion status updatedAt version withdrawnAt
        TaskObservation: isReady nodeID readinessCounter status taskID
        TaskStatus.Container: PID containerID exitCode
        TaskStatus: containerStatus err message portStatus state timestamp
        TaskTemplate.Placement.Preference.Spread: spreadDescriptor
        TaskTemplate.Placement.Preference: spread
        TaskTemplate.Placement: constraints maxReplicas platforms preferences
        TaskTemplate.Resources.Limits: memoryBytes nanoCPUs pids
        TaskTemplate.Resources: limits reservations
        TaskTemplate.RestartPolicy: condition delay maxAttempts window
        TaskTemplate: containerSpec forceUpdate logDriver networks placement resources restartPolicy runtime
        Transaction: by id mutations needs note time
        Ulimit: hard name soft
        UpdateConfiguration: delay failureAction maxFailureRatio monitor order parallelism
        UpdateStatus: completedAt message startedAt state
        VirtualAddress: addr networkID
        """

    @Test("A transaction has the members that the newest version of a cluster knows, and no others")
    func members() throws {
        let recorder = MemberRecorder()
        for name in ["orchestrator", "node"] { try recorder.record(Author.self, case: name) }
        for name in Self.mutations { try recorder.record(Mutation.self, case: name) }
        try recorder.record(Transaction.self)
        let known = Self.expected.split(separator: "\n").map(String.init)
        #expect(ClusterVersion.newest == ClusterVersion(2))
        #expect(recorder.lines.filter { !known.contains($0) } == [], "new")
        #expect(known.filter { !recorder.lines.contains($0) } == [], "gone")
    }
}
