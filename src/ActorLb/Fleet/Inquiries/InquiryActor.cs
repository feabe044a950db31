using Akka.Actor;

namespace ActorLb.Fleet.Inquiries;

/// <summary>Receives questions and answers of other members; the answers themselves run elsewhere.</summary>
internal sealed class InquiryActor : UntypedActor
{
    public const string Name = "inquiry";

    private readonly Inquiry _inquiry;

    public InquiryActor(Inquiry inquiry) => _inquiry = inquiry;

    public static Props Props(Inquiry inquiry) => Akka.Actor.Props.Create(() => new InquiryActor(inquiry));

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case InquiryQuestion question:
                _inquiry.OnQuestion(question, Sender, Self);
                break;
            case InquiryAnswer answer:
                _inquiry.OnAnswer(answer, Sender.Path.Address);
                break;
            default:
                Unhandled(message);
                break;
        }
    }
}
