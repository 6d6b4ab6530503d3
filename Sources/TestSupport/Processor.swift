import Glibc

/// Works until this thread has used so much processor time: a measure of time in which another process could have run.
public func burnProcessor(milliseconds: Int) {
    func used() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }
    let begin = used()
    while used() - begin < milliseconds {}
}
