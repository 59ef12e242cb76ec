import KVCommandLine

NodeMain.run(Array(CommandLine.arguments.dropFirst()))
