@main struct Massif { static func main() {} }
