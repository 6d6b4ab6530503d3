/// Encrypts the pages of a `SealedDisk`'s databases.
///
/// SQLite keeps `trailerByteCount` bytes at the end of each page free for it (https://www.sqlite.org/fileformat.html,
/// section 1.3.4), in the database as in its journals, so a sealed page is as long as an open one.
public protocol PageSealing: Sendable {
    /// Bytes at the end of each page, of at most 255.
    static var trailerByteCount: Int { get }

    /// Whether some pages may be under a key that does not seal any more.
    var hasOlderKeys: Bool { get }

    /// Seals a page for one place under the newest key, in its memory; its trailer is replaced.
    func seal(_ page: UnsafeMutableRawBufferPointer, at place: PagePlace)

    /// Opens a page that was sealed for this very place, in its memory; its trailer becomes zeros.
    ///
    /// - Returns: false, with anything in its memory, where it was altered, belongs elsewhere, or is under a key that
    ///   is not known.
    func open(_ page: UnsafeMutableRawBufferPointer, at place: PagePlace) -> Bool

    /// Seals 16 bytes of which no two are ever the same, in their memory and without another byte.
    func sealBlock(_ block: UnsafeMutableRawBufferPointer)

    /// Opens them.
    ///
    /// - Parameter trailer: of a page that was sealed with them: it names the key. False where that is not known.
    func openBlock(_ block: UnsafeMutableRawBufferPointer, trailer: UnsafeRawBufferPointer) -> Bool

    /// What is known of the key of a page, from its trailer.
    func age(ofTrailer trailer: UnsafeRawBufferPointer) -> PageKeyAge
}

extension PageSealing {
    var trailerByteCount: Int { Self.trailerByteCount }
}

/// Where a page stands: it opens nowhere else.
public enum PagePlace: Hashable, Sendable {
    /// In a database; the first page has the number 1.
    case database(page: UInt64)
    /// In a frame of a write-ahead log; the first one has the number 0.
    case log(frame: UInt64)
    /// In a rollback journal, so many bytes after its beginning.
    case journal(offset: UInt64)
}

/// Which key a page is sealed under.
public enum PageKeyAge: Hashable, Sendable {
    /// The one that seals.
    case newest
    /// One that opens.
    case older
    /// None, or one that is not known.
    case unknown
}
