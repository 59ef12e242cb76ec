internal import KVSimulator

extension SimulationArguments {
  package static let help = """
    usage: jepsen-lite sim [options]

    Runs the production cores of nodes and clients in simulation: a whole cluster
    in one process, in simulated time, with faults of network, disks, processes
    and clocks from a seed. The same seed gives the same run. What broke a promise
    is shrunk to the fewest faults that still break it.

    which runs
      --seeds A..B      these seeds (1..20)
      --first           ends at the first seed that is violated
      --seconds N       simulated seconds of load and faults in each run (60)
      --profile NAME    what goes wrong (cp); --profiles lists them
      --nodes N         3 or 5 (3)
      --jobs N          runs at one time (2)
      --go-on           does not end a run at its first violation
      --no-shrink       does not look for the fewest faults

    one run again
      --replay SEED     one seed
      --plan            its faults, numbered, and when they happen
      --faults LIST     only these of the plan, or none: 3,7:120,12 (7 for 120 ms)
      --variant N       the same faults, other chances (0)
      --trace           the log of events

    a build with --traits PlantedFaults
      --plant FAULT     builds a fault in that the checks must catch
      --plant list      names them

    examples
      jepsen-lite sim --seeds 1..1000 --seconds 20
      jepsen-lite sim --profile lease --first
      jepsen-lite sim --profile cp --replay 17 --plan

    exit codes: 0 passed, 1 violated, 2 usage, 3 unknown, 4 invalid run
    """

  package static var profileLines: [String] {
    SimulationProfile.names.map { name in
      let space = String(repeating: " ", count: max(1, 13 - name.utf8.count))
      return name + space + SimulationProfile.text(of: name)
    }
  }
}
