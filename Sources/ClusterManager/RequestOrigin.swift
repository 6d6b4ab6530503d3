/// Through what the request that is being answered came to this host: the second half of a change's author.
public enum RequestOrigin {
    /// `local socket, user 0`, or a client's address; nil outside of a request.
    @TaskLocal public static var client: String?
}
