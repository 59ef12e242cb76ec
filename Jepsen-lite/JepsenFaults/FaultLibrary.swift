internal import Glibc

/// Where the library is, and what it works on.
package enum FaultLibrary {
  package static let fileName = "libjepsen-faults.so"

  /// The library beside the program that runs (the folder of the build), or where
  /// `JEPSEN_FAULTS_LIBRARY` says; `nil` where it was not built (`swift build --product
  /// jepsen-faults`).
  package static func find() -> String? {
    if let given = unsafe getenv("JEPSEN_FAULTS_LIBRARY") {
      let path = unsafe String(cString: given)
      return unsafe access(path, R_OK) == 0 ? path : nil
    }
    guard let program = Folder.target(of: "/proc/self/exe") else { return nil }
    let folder = program.split(separator: "/").dropLast()
    // Tests run from a bundle that lies deeper than the products.
    for depth in 0..<min(3, folder.count) {
      let path = "/" + folder.dropLast(depth).joined(separator: "/") + "/" + fileName
      if unsafe access(path, R_OK) == 0 { return path }
    }
    return nil
  }

  /// Whether a program loads libraries at all: `nil` where it does, else why the faults of the disk
  /// and the clocks can't reach it.
  package static func trouble(with program: String) -> String? {
    guard let head = Folder.head(of: program, count: 1 << 16) else {
      return "\(program) can't be read"
    }
    guard head.starts(with: [0x7f, 0x45, 0x4c, 0x46]), head.count > 64, head[4] == 2 else {
      return "\(program) is not a 64-bit program"
    }
    func number(_ at: Int, _ bytes: Int) -> Int {
      (0..<bytes).reduce(0) { $0 | Int(head[at + $1]) << (8 * $1) }
    }
    let table = number(32, 8)
    let size = number(54, 2)
    let count = number(56, 2)
    guard size >= 4, table >= 0, count < 1000, table + size * count <= head.count else {
      return "\(program) has no program headers where they are expected"
    }
    // PT_INTERP: the loader, which is what reads LD_PRELOAD.
    let isDynamic = (0..<count).contains { number(table + $0 * size, 4) == 3 }
    return isDynamic
      ? nil
      : "\(program) is statically linked and loads no library:"
        + " faults of the disk and the clocks can't reach it"
  }
}
