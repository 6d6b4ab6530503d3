/// One call of a client on one config, which is taken for a register: it is there or not, and holds a value.
///
/// Every value is written once only, so that what a call saw or relied on names the write that it came from. The value
/// that a config was created with names the config itself: one of the same name that is created later is another.
struct RegisterCall: Hashable, Sendable {
    enum Request: Hashable, Sendable {
        case create(UInt64)
        case read
        /// Replaces a value, provided that the config still holds it (Docker's `version`).
        case update(object: UInt64, from: UInt64, to: UInt64)
        case remove(object: UInt64)
    }

    enum Answer: Hashable, Sendable {
        case done
        /// What a read saw; nil where there is no such config.
        case seen(Content?)
        /// Without effect, because of what the register held.
        case refused
        /// No answer: it may have happened at any time since it was asked for, or never.
        case unknown
    }

    struct Content: Hashable, Sendable {
        var object: UInt64
        var value: UInt64
    }

    var client: Int
    /// The host that was asked.
    var host: String
    var request: Request
    /// Nanoseconds on one clock.
    var begin: UInt64
    var end: UInt64
    var answer: Answer

    init(
        client: Int, host: String = "", _ request: Request, _ begin: UInt64, _ end: UInt64 = .max,
        _ answer: Answer = .unknown
    ) {
        self.client = client
        self.host = host
        self.request = request
        self.begin = begin
        self.end = answer == .unknown ? .max : end
        self.answer = answer
    }

    /// What the register holds after the call where it takes effect on `content`; nil where it cannot have been
    /// answered as it was.
    func effect(on content: Content?) -> Content?? {
        switch (request, answer) {
        case (.create(let value), .done), (.create(let value), .unknown):
            return content == nil ? .some(Content(object: value, value: value)) : nil
        case (.create, .refused): return content == nil ? nil : .some(content)
        case (.read, .seen(let seen)): return seen == content ? .some(content) : nil
        case (.update(let object, let from, let to), .done), (.update(let object, let from, let to), .unknown):
            return content == Content(object: object, value: from) ? .some(Content(object: object, value: to)) : nil
        case (.update(let object, let from, _), .refused):
            return content == Content(object: object, value: from) ? nil : .some(content)
        case (.remove(let object), .done), (.remove(let object), .unknown):
            return content?.object == object ? .some(nil) : nil
        case (.remove(let object), .refused): return content?.object == object ? nil : .some(content)
        // A read without an answer tells nothing, and no other pair is recorded.
        case (.read, _), (_, .seen): return nil
        }
    }
}

extension RegisterCall: CustomStringConvertible {
    var description: String {
        let what =
            switch request {
            case .create(let value): "create \(value)"
            case .read: "read"
            case .update(let object, let from, let to): "update \(object): \(from) to \(to)"
            case .remove(let object): "remove \(object)"
            }
        let outcome =
            switch answer {
            case .done: "done"
            case .seen(let content?): "saw \(content.object): \(content.value)"
            case .seen(nil): "saw none"
            case .refused: "refused"
            case .unknown: "no answer"
            }
        let times = "\(begin / 1_000) to \(end == .max ? "-" : "\(end / 1_000)") µs"
        return "client \(client) at \(host), \(times): \(what): \(outcome)"
    }
}
