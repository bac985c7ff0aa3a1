package seal

// Bech32 as age uses it: BIP 173 without its limit on the length.
const (
	bech32Charset  = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	bech32Checksum = 6
)

// bech32Step adds five bits to a checksum.
func bech32Step(sum uint32, bits byte) uint32 {
	top := sum >> 25
	sum = sum&0x1ffffff<<5 ^ uint32(bits)
	for i, g := range [...]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
		if top>>i&1 == 1 {
			sum ^= g
		}
	}
	return sum
}

// bech32Start is the checksum of a prefix, in whichever letters.
func bech32Start(prefix string) uint32 {
	sum := uint32(1)
	for i := range len(prefix) {
		sum = bech32Step(sum, lowerLetter(prefix[i])>>5)
	}
	sum = bech32Step(sum, 0)
	for i := range len(prefix) {
		sum = bech32Step(sum, lowerLetter(prefix[i])&31)
	}
	return sum
}

func lowerLetter(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// decodeBech32 fills dst from a text that begins with prefix, the 1 behind it included, in the same letters. It keeps no copy of what
// it reads.
func decodeBech32(dst, text []byte, prefix string) error {
	chars := (len(dst)*8 + 4) / 5
	if len(text) != len(prefix)+chars+bech32Checksum || string(text[:len(prefix)]) != prefix {
		return errIdentity
	}
	sum := bech32Start(prefix[:len(prefix)-1])
	var bits, have uint
	at := 0
	for i, c := range text[len(prefix):] {
		if lower := 'a' <= c && c <= 'z'; lower {
			return errIdentity // the prefix is in capitals
		}
		value := bech32Value(c)
		if value < 0 {
			return errIdentity
		}
		sum = bech32Step(sum, byte(value))
		if i >= chars {
			continue
		}
		bits, have = bits<<5|uint(value), have+5
		if have >= 8 && at < len(dst) {
			have -= 8
			dst[at] = byte(bits >> have)
			at++
		}
		bits &= 1<<have - 1
	}
	if sum != 1 || bits != 0 || have >= 5 {
		clear(dst)
		return errIdentity
	}
	return nil
}

// bech32Value gives the five bits that a character stands for, -1 for none.
func bech32Value(c byte) int {
	c = lowerLetter(c)
	for i := range len(bech32Charset) {
		if bech32Charset[i] == c {
			return i
		}
	}
	return -1
}

// encodeBech32 writes public bytes behind a prefix in small letters.
func encodeBech32(prefix string, data []byte) string {
	out := append([]byte(prefix), '1')
	sum := bech32Start(prefix)
	add := func(value byte) {
		sum = bech32Step(sum, value)
		out = append(out, bech32Charset[value])
	}
	var bits, have uint
	for _, b := range data {
		for bits, have = bits<<8|uint(b), have+8; have >= 5; bits &= 1<<have - 1 {
			have -= 5
			add(byte(bits >> have))
		}
	}
	if have > 0 {
		add(byte(bits << (5 - have) & 31))
	}
	for range bech32Checksum {
		sum = bech32Step(sum, 0)
	}
	for i := range bech32Checksum {
		out = append(out, bech32Charset[(sum^1)>>(5*(bech32Checksum-1-i))&31])
	}
	return string(out)
}
