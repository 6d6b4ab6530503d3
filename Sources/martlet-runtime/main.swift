import ContainerShim
import Glibc
import RuntimeCommands

StandardDescriptors.fill()
if CommandLine.arguments.dropFirst().first == "shim" {
    ShimCommand.run(Array(CommandLine.arguments.dropFirst(2)))
}
exit(RuntimeProgram.run(CommandLine.arguments))
