// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Gymnasium's CartPole-v1: push a cart to the left or to the right so that a pole on it stays up.
///
/// Barto, Sutton and Anderson, "Neuronlike adaptive elements that can solve difficult learning
/// control problems", 1983; equations of Florian, "Correct equations for the dynamics of the
/// cart-pole system", 2007, in the order of operations of gymnasium 1.4,
/// `envs/classic_control/cartpole.py`, so that double precision gives the same bits.
struct CartPole: Sendable, Hashable {
  /// Metres.
  var position: Double
  /// Metres a second.
  var velocity: Double
  /// Of the pole, in radians from upright.
  var angle: Double
  /// Radians a second.
  var angularVelocity: Double

  static let observationCount = 4
  static let actionCount = 2

  private static let gravity = 9.8
  private static let cartMass = 1.0
  private static let poleMass = 0.1
  private static let totalMass = poleMass + cartMass
  /// Half of the pole's length.
  private static let length = 0.5
  private static let poleMoment = poleMass * length
  private static let force = 10.0
  /// Seconds between two steps.
  private static let interval = 0.02
  private static let angleLimit = 12 * 2 * Double.pi / 360
  private static let positionLimit = 2.4

  /// The state in which an episode begins, for four numbers in 0 ..< 1.
  init(start: (Double, Double, Double, Double)) {
    func place(_ uniform: Double) -> Double { -0.05 + 0.1 * uniform }
    position = place(start.0)
    velocity = place(start.1)
    angle = place(start.2)
    angularVelocity = place(start.3)
  }

  init(position: Double, velocity: Double, angle: Double, angularVelocity: Double) {
    self.position = position
    self.velocity = velocity
    self.angle = angle
    self.angularVelocity = angularVelocity
  }

  /// Moves on by one step (Euler's method); every step's reward is 1.
  mutating func push(right: Bool) {
    let force = right ? Self.force : -Self.force
    let cosine = cos(angle)
    let sine = sin(angle)
    let temporary =
      (force + Self.poleMoment * (angularVelocity * angularVelocity) * sine) / Self.totalMass
    let angularAcceleration =
      (Self.gravity * sine - cosine * temporary)
      / (Self.length * (4.0 / 3.0 - Self.poleMass * (cosine * cosine) / Self.totalMass))
    let acceleration =
      temporary - Self.poleMoment * angularAcceleration * cosine / Self.totalMass
    position += Self.interval * velocity
    velocity += Self.interval * acceleration
    angle += Self.interval * angularVelocity
    angularVelocity += Self.interval * angularAcceleration
  }

  /// Whether the cart has left its track or the pole has fallen.
  var hasFailed: Bool {
    position < -Self.positionLimit || position > Self.positionLimit || angle < -Self.angleLimit
      || angle > Self.angleLimit
  }

  /// What the agent sees: position, velocity, angle, angular velocity.
  func observe(into observation: UnsafeMutablePointer<Float>) {
    observation[0] = Float(position)
    observation[1] = Float(velocity)
    observation[2] = Float(angle)
    observation[3] = Float(angularVelocity)
  }
}
