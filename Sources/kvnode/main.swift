NodeMain.run(Array(CommandLine.arguments.dropFirst()))
