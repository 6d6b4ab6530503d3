import Commands

await MartletCommand.start()
