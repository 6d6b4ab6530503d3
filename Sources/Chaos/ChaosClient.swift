import Values

/// A client that changes configs, its own and those that others change too, and writes down what it was told.
struct ChaosClient: Sendable {
    /// The longest pause between two calls, in milliseconds.
    static let longestPause = 30
    /// Of so many calls one asks another host than the client's own.
    static let callsPerStrangeHost = 4
    /// Changes of a config of its own before the client leaves it as it is, or removes it.
    static let ownChanges = 8

    let number: Int
    let hosts: [(name: String, client: ConfigClient)]
    let places: Int
    let history: ChaosHistory
    private var random: SplitMix64
    /// The host that is asked most often: one that does not answer is given up.
    private var home: Int
    private var own: (name: String, changes: Int)
    private var ownCount = 0

    init(
        number: Int, hosts: [(name: String, client: ConfigClient)], places: Int, history: ChaosHistory, seed: UInt64
    ) {
        self.number = number
        self.hosts = hosts
        self.places = places
        self.history = history
        random = SplitMix64(seed: seed)
        home = number % hosts.count
        own = ("own-\(number)-0", 0)
    }

    /// Goes on until the task is cancelled.
    mutating func run() async {
        while !Task.isCancelled {
            if Bool.random(using: &random) {
                await useOwn()
            } else {
                await useShared(history.sharedName(Int.random(in: 0..<places, using: &random)))
            }
            let pause = Int.random(in: 0...Self.longestPause, using: &random)
            try? await Task.sleep(for: .milliseconds(pause))
        }
    }

    /// A config that nobody else touches: what is acknowledged last must be there in the end.
    private mutating func useOwn() async {
        guard let found = await read(own.name) else { return }
        guard let config = found else {
            if own.changes == 0 { await create(own.name) } else { nextOwn() }
            own.changes += 1
            return
        }
        own.changes += 1
        guard own.changes > Self.ownChanges else { return await update(own.name, config) }
        if Int.random(in: 0..<4, using: &random) > 0 { await remove(own.name, config) }
        nextOwn()
    }

    private mutating func nextOwn() {
        ownCount += 1
        own = ("own-\(number)-\(ownCount)", 0)
    }

    private mutating func useShared(_ name: String) async {
        if Int.random(in: 0..<5, using: &random) == 0 { return await create(name) }
        guard let config = await read(name) else { return }
        guard let config else { return await create(name) }
        switch Int.random(in: 0..<10, using: &random) {
        case 0: await remove(name, config)
        case 1..<8: await update(name, config)
        default: break
        }
    }

    // The calls. Each is written down with when it was asked for and answered.

    private mutating func create(_ name: String) async {
        let value = history.newValue()
        await call(name, .create(value)) { await $0.create(name, value) }
    }

    private mutating func update(_ name: String, _ config: ConfigClient.Config) async {
        let value = history.newValue()
        let content = config.content
        await call(name, .update(object: content.object, from: content.value, to: value)) {
            await $0.update(name, config, to: value)
        }
    }

    private mutating func remove(_ name: String, _ config: ConfigClient.Config) async {
        await call(name, .remove(object: config.content.object)) { await $0.remove(config) }
    }

    /// nil where there was no answer.
    private mutating func read(_ name: String) async -> ConfigClient.Config?? {
        let host = chosenHost()
        let begin = history.now
        let outcome = await hosts[host].client.read(name)
        guard case .answered(let config) = outcome else {
            leave(host)
            return nil
        }
        let answer = RegisterCall.Answer.seen(config?.content)
        history.add(RegisterCall(client: number, host: hosts[host].name, .read, begin, history.now, answer), to: name)
        return .some(config)
    }

    private mutating func call(
        _ name: String, _ request: RegisterCall.Request, _ body: (ConfigClient) async -> ConfigClient.Outcome<Void>
    ) async {
        let host = chosenHost()
        let begin = history.now
        let outcome = await body(hosts[host].client)
        let answer: RegisterCall.Answer
        switch outcome {
        case .answered: answer = .done
        case .refused: answer = .refused
        case .unknown: answer = .unknown
        case .unsent: return leave(host)
        }
        history.add(RegisterCall(client: number, host: hosts[host].name, request, begin, history.now, answer), to: name)
        if answer == .unknown { leave(host) }
    }

    private mutating func chosenHost() -> Int {
        let isStrange = Int.random(in: 0..<Self.callsPerStrangeHost, using: &random) == 0
        return isStrange ? Int.random(in: hosts.indices, using: &random) : home
    }

    private mutating func leave(_ host: Int) {
        if host == home { home = Int.random(in: hosts.indices, using: &random) }
    }
}
