using System.Runtime.Serialization;
using ActorLb.Fleet.Inquiries;

namespace ActorLb.Tests.Fleet.Inquiries;

/// <summary>Nodes of adjacent releases ask each other, so the bytes must not change.</summary>
public sealed class InquirySerializerTests
{
    private readonly InquirySerializer _serializer = new(null!);

    [Fact]
    public void Messages_AsRecorded_StillMeanTheSame()
    {
        var question = new InquiryQuestion(7, "find", 5000, new byte[] { 1, 2, 3 });
        var answer = new InquiryAnswer(7, null, [4, 5]);
        var problem = new InquiryAnswer(7, "no", []);

        Assert.Equal(("1", "0700000000000000040066696E648813000003000000010203"), (_serializer.Manifest(question), Hex(question)));
        Assert.Equal(("2", "0700000000000000000000020000000405"), (_serializer.Manifest(answer), Hex(answer)));
        Assert.Equal(("2", "07000000000000000102006E6F00000000"), (_serializer.Manifest(problem), Hex(problem)));
        var again = new InquiryAnswer(7, "no", []) { AskAgain = true };
        Assert.Equal("07000000000000000202006E6F00000000", Hex(again));
        Assert.True(((InquiryAnswer)_serializer.FromBinary(_serializer.ToBinary(again), "2")).AskAgain);
        var read = (InquiryQuestion)_serializer.FromBinary(_serializer.ToBinary(question), "1");
        Assert.Equal((7, "find", 5000), (read.Id, read.Question, read.Milliseconds));
        Assert.Equal([1, 2, 3], read.Body.ToArray());
        Assert.Equal([4, 5], ((InquiryAnswer)_serializer.FromBinary(_serializer.ToBinary(answer), "2")).Body);
        Assert.Equal("no", ((InquiryAnswer)_serializer.FromBinary(_serializer.ToBinary(problem), "2")).Problem);
    }

    [Fact]
    public void Message_CutAnywhere_IsRefused()
    {
        foreach (object message in (object[])[new InquiryQuestion(7, "find", 5000, new byte[] { 1, 2, 3 }), new InquiryAnswer(7, "no", [4, 5])])
        {
            byte[] whole = _serializer.ToBinary(message);
            string manifest = _serializer.Manifest(message);
            for (int length = 0; length < whole.Length; length++)
            {
                byte[] part = whole[..length];
                Assert.Throws<SerializationException>(() => _serializer.FromBinary(part, manifest));
            }
            // Fields appended by a later release are ignored.
            Assert.NotNull(_serializer.FromBinary([.. whole, 9, 9], manifest));
        }
        Assert.Throws<SerializationException>(() => _serializer.FromBinary([], "3"));
    }

    [Fact]
    public void Body_SaidToBeLongerThanAnyMayBe_AllocatesNothing()
    {
        byte[] bytes = _serializer.ToBinary(new InquiryAnswer(7, null, []));
        bytes[^1] = 0x7F;
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<SerializationException>(() => _serializer.FromBinary(bytes, "2"));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 20_000);
    }

    private string Hex(object message) => Convert.ToHexString(_serializer.ToBinary(message));
}
