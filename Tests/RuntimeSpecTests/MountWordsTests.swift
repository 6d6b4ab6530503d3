import RuntimeSpec
import Testing

@Suite struct MountWordsTests {
    @Test func attributesAreSetAndCleared() {
        let words = MountWords(["nosuid", "noexec", "exec", "ro", "rw", "relatime", "strictatime", "nodev"])
        #expect(words.set == [.noSuid, .strictAccessTime, .noDevices])
        #expect(words.clear.isSuperset(of: [.noExec, .readOnly, .noAccessTime]))
    }

    @Test func recursiveAttributesArePropertiesOfTheTree() {
        let words = MountWords(["rbind", "rro", "rnosuid", "rdev", "ro"])
        #expect(words.isBind && words.isRecursive)
        #expect(words.set == .readOnly)
        #expect(words.setRecursively == [.readOnly, .noSuid])
        #expect(words.clearRecursively == .noDevices)
    }

    @Test("rw and relatime are words of their own, not recursive ones")
    func wordsThatBeginWithR() {
        let words = MountWords(["rw", "relatime", "ro"])
        #expect(words.setRecursively.isEmpty && words.clearRecursively.isEmpty)
    }

    @Test(arguments: [
        ("private", MountWords.Propagation.private, false), ("rprivate", .private, true), ("rslave", .slave, true),
        ("shared", .shared, false), ("runbindable", .unbindable, true),
    ])
    func propagation(word: String, propagation: MountWords.Propagation, isRecursive: Bool) {
        let words = MountWords(["bind", word])
        #expect(words.propagation == propagation && words.isPropagationRecursive == isRecursive)
    }

    @Test func whatIsLeftIsTheFileSystems() {
        let words = MountWords(["size=64k", "mode=1777", "tmpcopyup", "newinstance", "idmap", "sync", "async", "a=b=c"])
        #expect(words.data.map(\.name) == ["size", "mode", "newinstance", "sync", "a"])
        #expect(words.data.map(\.value) == ["64k", "1777", nil, nil, "b=c"])
        #expect(words.copiesUp && words.idMapped == .mount)
    }

    /// config.md: Linux mount options.
    @Test func whatEveryMountHasIsNoOptionOfTheFileSystem() {
        let usual = ["async", "loud", "silent", "nomand", "iversion", "noiversion", "nolazytime"]
        #expect(MountWords(usual).data.isEmpty)
        #expect(Set(MountWords.names).isSuperset(of: usual + ["sync", "dirsync", "lazytime", "mand", "rrelatime"]))
        #expect(Set(MountWords.names).count == MountWords.names.count)
        let unknown = MountWords.names.filter { !MountWords([$0]).data.isEmpty }
        #expect(unknown == ["dirsync", "lazytime", "mand", "sync"])
    }
}
