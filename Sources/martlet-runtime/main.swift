import Glibc

switch CommandLine.arguments.dropFirst().first {
case "shim": ShimCommand.run(Array(CommandLine.arguments.dropFirst(2)))
case "--version": print("martlet-runtime \(ShimCommand.version)")
default:
    ShimCommand.complain(
        """
        usage: martlet-runtime shim --data DIRECTORY --run DIRECTORY [--cache DIRECTORY]
               martlet-runtime --version

        """)
}
