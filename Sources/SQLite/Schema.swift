/// The form of a database: numbered steps that make it out of nothing and out of every earlier form.
///
/// `PRAGMA user_version` says which form a file has; 0 is an empty file's, and that of files whose form was not
/// numbered yet. A form's number and what leads to it never change once a release has written it.
public struct Schema {
    /// What leads from one form to a later one.
    public struct Step {
        let from: Int64
        let to: Int64
        let run: (Database) throws -> Void
        let undo: ((Database) throws -> Void)?

        /// - Parameter undo: for files that go to programs which know no later form than `from`; nil where none do.
        public init(
            from: Int64, to: Int64, _ run: @escaping (Database) throws -> Void,
            undo: ((Database) throws -> Void)? = nil
        ) {
            precondition(from < to, "forms only go forward")
            self.from = from
            self.to = to
            self.run = run
            self.undo = undo
        }
    }

    /// The newest form.
    public let version: Int64
    private let steps: [Int64: Step]

    public init(_ steps: [Step]) {
        version = steps.map(\.to).max() ?? 0
        self.steps = Dictionary(uniqueKeysWithValues: steps.map { ($0.from, $0) })
    }

    /// Which form a file has.
    ///
    /// - Throws: `SchemaError` where this program does not know it.
    public func check(_ database: Database) throws -> Int64 {
        guard case .integer(let found) = try database.pragma("user_version"), found >= 0 else {
            throw SchemaError(path: database.path, found: -1, known: version)
        }
        if found > version { throw SchemaError(path: database.path, found: found, known: version) }
        return found
    }

    /// Brings a file to the newest form in one transaction: whatever interrupts it leaves the file as it was.
    ///
    /// - Throws: `SchemaError`, and what the steps throw.
    public func prepare(_ database: Database) throws {
        guard try check(database) != version else { return }
        try database.transaction {
            // Nobody else may have brought it forward meanwhile.
            var form = try check(database)
            while form != version {
                guard let step = steps[form] else { preconditionFailure("no step leads on from form \(form)") }
                try step.run(database)
                form = step.to
            }
            try database.setPragma("user_version", "\(version)")
        }
    }

    /// Takes a file back to an earlier form, for programs that know no later one, in one transaction. One that is not
    /// beyond that form stays as it is.
    ///
    /// - Throws: `SchemaError`, and what the steps throw.
    public func revert(_ database: Database, to target: Int64) throws {
        guard try check(database) > target else { return }
        try database.transaction {
            var form = try check(database)
            while form > target {
                guard let step = steps.values.first(where: { $0.to == form && $0.from >= target }), let undo = step.undo
                else { preconditionFailure("no step leads back from form \(form) to \(target)") }
                try undo(database)
                form = step.from
            }
            try database.setPragma("user_version", "\(form)")
        }
    }
}

/// A file that a newer version of the program wrote. It was left as it is.
public struct SchemaError: Error, Hashable, Sendable, CustomStringConvertible {
    public let path: String
    /// Its form, and the newest that this program knows.
    public let found: Int64
    public let known: Int64

    public init(path: String, found: Int64, known: Int64) {
        self.path = path
        self.found = found
        self.known = known
    }

    public var description: String {
        """
        \(path) was written by a newer version of martletd: it has form \(found), and this version knows \(known). \
        Nothing in it was changed. Install the version that wrote it, or a newer one
        """
    }
}
