using System.Runtime.Serialization;
using ActorLb.Fleet.Membership;
using Akka.Actor;
using Akka.Serialization;

namespace ActorLb.Fleet.Inquiries;

/// <summary>Questions and answers on the wire. Manifests are numbers that are never reused; a test pins them.</summary>
internal sealed class InquirySerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private const string QuestionManifest = "1";
    private const string AnswerManifest = "2";

    public override int Identifier => 103;

    public override string Manifest(object o) => o switch
    {
        InquiryQuestion => QuestionManifest,
        InquiryAnswer => AnswerManifest,
        _ => throw Unknown(o),
    };

    public override byte[] ToBinary(object obj)
    {
        switch (obj)
        {
            case InquiryQuestion question:
                var asked = new WireWriter(32 + question.Question.Length + question.Body.Length);
                asked.Int64(question.Id);
                asked.Text(question.Question);
                asked.Int32(question.Milliseconds);
                asked.Bytes(question.Body.Span);
                return asked.ToArray();
            case InquiryAnswer answer:
                var answered = new WireWriter(32 + (answer.Problem?.Length ?? 0) + answer.Body.Length);
                answered.Int64(answer.Id);
                answered.Byte(answer.Problem is null ? (byte)0 : answer.AskAgain ? (byte)2 : (byte)1);
                answered.Text(answer.Problem ?? "");
                answered.Bytes(answer.Body);
                return answered.ToArray();
            default:
                throw Unknown(obj);
        }
    }

    public override object FromBinary(byte[] bytes, string manifest)
    {
        var reader = new WireReader(bytes);
        object message = manifest switch
        {
            QuestionManifest => new InquiryQuestion(
                reader.Int64(), reader.Text(InquiryLimits.MaxName), reader.Int32(), reader.Bytes(InquiryLimits.MaxBody).ToArray()),
            AnswerManifest => ReadAnswer(ref reader),
            _ => throw new SerializationException($"manifest {manifest} is unknown to this release"),
        };
        // A later release may append fields, which are ignored.
        return reader.IsValid ? message : throw new SerializationException($"an inquiry message with manifest {manifest} is malformed");
    }

    private static InquiryAnswer ReadAnswer(ref WireReader reader)
    {
        long id = reader.Int64();
        byte kind = reader.Byte();
        string problem = reader.Text(InquiryLimits.MaxProblem);
        return new InquiryAnswer(id, kind != 0 ? problem : null, reader.Bytes(InquiryLimits.MaxBody).ToArray()) { AskAgain = kind == 2 };
    }

    private static SerializationException Unknown(object o) => new($"{o.GetType()} is not a message of an inquiry");
}
