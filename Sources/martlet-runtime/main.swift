import ContainerShim
import Glibc
import LinuxSystem
import RuntimeCommands

StandardDescriptors.fill()
let arguments = ProgramArguments.all
if arguments.dropFirst().first == "shim" { ShimCommand.run(Array(arguments.dropFirst(2))) }
exit(RuntimeProgram.run(arguments))
