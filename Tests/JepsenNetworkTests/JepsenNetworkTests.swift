import Testing

@testable import JepsenNetwork
