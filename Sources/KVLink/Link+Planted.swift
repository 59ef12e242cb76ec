internal import KVBase

/// What a planted fault takes away; nothing in a build without them.
extension Link {
  var reconnects: Bool {
    #if PlantedFaults
      return plantedFault != .linkNeverReconnects
    #else
      return true
    #endif
  }

  var backsOff: Bool {
    #if PlantedFaults
      return plantedFault != .linkWithoutBackoff
    #else
      return true
    #endif
  }

  var noticesSilence: Bool {
    #if PlantedFaults
      return plantedFault != .silentPeerUnnoticed
    #else
      return true
    #endif
  }
}
