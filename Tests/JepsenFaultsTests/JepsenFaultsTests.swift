import Testing

@testable import JepsenFaults
