"""Common English words, which show that a text has become readable.

Counted once over the phrase banks in ``models/training``, written for this project: every word that at least three
banks use and that occurs four times or more, and the two-letter words of the language.
"""

from __future__ import annotations

from typing import Final

WORDS: Final = frozenset(
    """
ab able abolished about above abroad absolutely abstract abuse accept accepted access accident according account
accountant accounts accused acid acknowledge across acrostic act action actions actor actors actual actually ad add
added address addresses adds admin administrator ads adult adults advance adventure advertising advice advise
adviser afraid after afternoon afterwards again against age agency agenda agent agents ages ago agree agreed
agreement ahead ai aid aim air airport alarm alcohol alive all allow allowed almost alone along aloud alphabet
already also always am ambulance among amount amounts an analyse and anger angry animal animals anna announcement
annoying anonymous another answer answered answering answers any anybody anyone anything anyway apart api apologies
apologise apology app appear append apple apples applicant application applies apply appointment appreciate
apprentice approve approved apps archive are aren argue argument arguments arm around arrive arrived art article as
ashamed aside ask asked asking asks asleep assign assignment assist assistant assistants association assume at ate
attached attachments attack attacked attacker attackers attacks attention audience audio audit auditors august aunt
authentication author automated autumn available avoid awake awareness away baby babysitter back background backup
backups backwards bad badly bag bags bake bakery balance balcony ball banana bank banks banned bar barking base bash
bath battery be beach bear beat beats because become becomes bed bedtime been beer bees before beforehand began
begin beginner beginners beginning begins behalf behave behind being believe bell belong belongs below benefits
benign best bet better between beyond bicycle big bigger bike bikes bill bin birth birthday bit bites bitte black
blackmail blame blank bleach blind block blocked blocks blog blood bloody blow blue blunt board boat bodies body
boil bomb bones bonus book booked booking books border bored boring born boss bot both bother bottles bought bowl
box boxes boy boys brackets brain brake brakes bread break breakfast breaking breaks breath breathe breathing breed
bridge brief briefing bring brings broke broken brother brothers brought brown browser bruises budget bug build
building built bullet bully bullying burn burned burns bus business but butler butter button buy buying buys by
bypass cable cache cafe cake calculate calendar call called caller calling calls calm calories came camera cameras
can cancel cancelled cancer candidate candidates cannot capital captain car card cards care careful carry cars case
cases cash cat catch cats caught cause causes ceiling cell cellar cells censorship centre century ceo certain
certainly certificate chain chair change changed changes channel chapter character characters charge charger charity
chart chat chatbot chatbots chats cheap cheaper cheat cheating check checked checklist checks cheerful cheese chef
chemicals chemistry chess chest chicken child children chocolate choice choir choke choose circle citizens city
claim claims class classify classmate clause clean cleaner cleaning cleans clear cleared clearly clerk clever click
client climate clock close closed closer closing club coach code codes coffee cold colleague colleagues collect
colour colours column columns come comes comfortable coming command commands commas comment comments commit
committee common companies company compare compared comparison competitors complain complaint complaints complete
completed completely compliance comply compose computer concert conclusion concrete conference confidence
confidential configuration confirm confirmation confirmed confused cons consent consequences consider contact
contain contained contains content contents context continue contract contractor contracts control conversation
convert convince cook cookies cooking cool copies copy corner correct corrected correction cost costs cough could
couldn council counselling counsellor count counter countries country counts courage course court courts cousin
cover covers coworker crack crash crashes cream create creative credit crew cried crime crimes crisis cross crossed
crossword crowd cruel cry crying cup cups curious curl current curry customer customers customs cut cutting dad
daily damage damn dance danger dangerous dare dark data database date dates dating daughter day days dead deadline
deadly deal dear death debate debt debts debug decide decided decides decision decline declined decode deep deepfake
default defence defend define degrees delay delete deleted deletes delivery demand dementia dentist department
depends deposit depression describe described description deserve deserves design designed designer desk destroy
destroyed detail details detect detective detector developer developers device dialogue diary did didn die died dies
diff differ difference different difficult digits dinner direct directions directly dirty disable disabled disagree
disclaimer discount discuss discussed disease disgusting disk disregard distance do doc doctor doctors document
documents does doesn dog dogs doing domain don done donkey door doors dose double doubt down download draft drafts
dragon drama draw drawing dream dress drew drill drink drinking drinks drive driver drivers drives driving drop
dropped dropping drops drown drug drugs drunk dry due dumb dump during dutch duty each earlier early earn earth
easier easiest easy eat eating eats edge edit editor effect effects effort egg eggs eight eine einen either elderly
election elections eleven else email emergency emojis employee employees employer empty encode encoding encrypts end
ended ending ends enemy energy engine engineer english enjoy enough enter entrance entries entry envelope
environment episode equal erkl error errors escape escribe essay ethics europe euros even evening evenings event
events ever every everybody everyday everyone everything everywhere evidence evil ex exact exactly exam examiner
example examples excuse excuses execute exercise exist existed exists exit expect expected expense expensive
experience expert experts expired explain explained explaining explains explanation explosives export extract eyes
face faces fact factor facts fail failed fails fair fairly fairy faith fake fall falls false families family famous
fan fans far fast faster fasting fat father fault favour favourite fear fee feed feedback feel feelings feels fees
fell fence festival fever few fewer fictional field fifteen fifty fight figures file files fill film films filter
filters final finally find finds fine fingers finish finished fire fired firewall firm firms first fish fit fits
five fix fixed flag flags flash flat flatmate flight flights flood floor flour flu fly folder folks follow followed
followers following follows food fool foot football footer for forbid forbidden force forecast foreign forget
forgets forgot forgotten form formal format formatting former forms formula forty forum forward foster found four
fourteen fox frame frames france fraud freak free french fresh friday fridge friend friendlier friendly friends from
front fruit fry full fully fun function funny furniture further future gain game games gang gap garbage garden
garlic gas gate gave gay general generate gentle german germany get gets getting gift girl girlfriend git give given
gives giving glad gladly glass glasses glossary go goal goals god goes going gone good goodbye goods got grade
grammar grandma grandmother grandpa grateful great green greeting grey ground group groups grow grown growth grumpy
guard guards guess guest guests guidance guide guidelines guilty gum gun guns guy guys gym hack had haha haiku half
hall hand handbook handed handle handles hands handwriting hang hangman happen happened happens happy harbour hard
hardest hardly harm harmful harmless has hash hate hates have having he head header heading headings headline health
hear heard hearing heart heat heating heavy heist held hell hello help helped helper helpful helping helpline helps
her here hereby hero hers herself hey hi hidden hide hiding high higher highest him himself hint hire hiring his
historian historians historically history hit hits hitting hobby hold holds holes holiday holy home homes homework
honest honestly hope hoping horse hospital hospitals host hot hotel hotline hour hours house household houses
housing how however human hundred hunger hunt hurry hurt hurting hurts husband ibuprofen ice idea ideal ideas
identify if ignore ignores ill illegal imagine import important improve in inbox include included including income
indian indirect inform information ingredients initial injection innkeeper input insert inside inst install instead
instruction instructions insulin insult insulted insurance insurer insurers intelligence intelligent interest
interested interesting intern internet interview interviewer into intro introduce introduction invent invented
invest invitation invite invoice invoices is isn issue it italian item items its itself jacket jailbreak japan
jargon jewellery job jobs join joke jokes journalist journalists json judge judges jump june jury just keep keeper
keeping keeps kept key keyboard keys kick kid kids kill killed killer killing kills kilometres kind kindly kinds
king kitchen kitten knee knew knife knock know knowing knowledge known knows lab label lake lamp land landlady
landlord lane language languages laptop large largest lasagne last late later latest latin laugh laughed laughs
launder laundering law laws lawyer lawyers lay layer lazy lead leads leaf leaflet leaks learn learned learning
learns lease least leave leaves leaving lecture left leg legal legally legs length less lesson let lets letter
letters level librarian library licence lie lied lies life lift light lighter lighthouse lights like likely likes
limerick limit limits line lines link links linux list listen listeners listening lists little live lived lives
living load loaded local location lock locked locks log login logins logo logs lol lonely long longer look looked
looking looks lose loses losing lost lot loud love loved lovely loves low lower luck luggage lunch lying lyrics
machine machines madam made mail mails main make maker makers makes making man managed management manager managers
manifesto manual many march margin mark markdown marked market marketing marks married mars mask master mat match
matches materials maths matter matters max may maybe mayor me meal meals mean meaning means meant measles measure
meat media medical medicine medicines medieval meet meeting meetings meets member members memo memory men mention
mentions menu message messages met metaphors meth method metres mid middle might mild milk mill mind mine minister
minor minute minutes miss missing mistake mistakes mix mixed mock mode model models modern module moment monday
mondays money monk monologue month months mood moon moral more morning most mostly mother mould mouth move moved
movement moves movie moving much multiply mum murder museum mushrooms music must my myself name named names naming
narrator nasty natural nature near nearly need needed needs negative negotiator neighbour neighbours neither nervous
network neutral never new news newsletter newspaper next nice nickname night nights nine no nobody noise non none
noon normal normally not note notebook notes nothing notice noticed notices noticing novel now nude number numbered
numbers nurse nuts obey object odd of off offer offers office officer offices official often oh oil ok okay old
older olds on once one ones onions online only open opened opening openings openly opens operator opinion opinions
opponent opposite option options or oral order ordered orders original oslo other others otherwise ought our out
outline output outside oven over overnight override overview owe owes owl own owner owners pack packed packing page
pages paid pain painkillers paint painted pan panel panic paper papers para paragraph paragraphs parcel parent
parents park parking parody parrot part parties partir partner parts party pass passage passed passive passport
password passwords past paste pasted patch pathetic patience patient patients pause pay paying payload payment
payments payroll pays peace pen penalty penguins people per percent perfect period permission person persona
personal pets pharmacist pharmacy phishing phone phones photo photos photosynthesis phrase phrases pick picture
pictures piece pieces pig pigeons pill pills pin pirate pizza place places plagiarism plague plain plan plane planet
planned planning plans plant plants plate platform play played player players playing playlist please plot plumber
plural plus podcast poem poema point points poison poisonous police policies policy polite politely politics pool
poor portal ports position positive possible post posted poster postman posts pot potatoes pour power powershell
practical practice practise praise predict prefer prepare preparing prescription present president press pressure
pretend pretending previous price prices pride prime principle print printed printer priority prison privacy private
priya prize probably problem procedure process processes processing produce product professor profile program
programs project promise promised prompt prompts proof proofread propaganda proper properly property propose pros
protect protected protection proud prove provide provider psychology pub public publish published pull pump punch
punished punishment pupil pupils puppy purchase purely purpose push put puts putting puzzle pyramid python query
question questions queue quick quickly quiet quietly quit quiz quote quoted quotes racist radio rain rains raise
random range rank ransomware rap rarely rate rather raw reach react reaction read reader readers reading reads ready
real really reason reasons receipt receipts received receiving recipe recipient recognise recommend record recording
records recruit red refer reference refund refusal refusals refuse refused refuses regards regex region regions
register registered regret regular rejected release religion rely remarks remember remind reminder remote remove
removed rename renew rent rental repair repeat rephrase replace replaced replies reply report reported reporter
reports request requests required requirements research researchers reset respect respond responde response
responsible rest restart restaurant restore restrictions result results retired return returned returns reveal
revenge revenue reverse review reviewer reviewers reviews revised rewrite rhyme rhymes rice rich rid riddle riddles
rifle right rights ring rings rinse rise risk risks rival river road roast robot rock role roles roll roman romance
rome roof room roommate root rope rose rot rotate rough roughly round rounds router routine row rows rubbish rude
ruin ruins rule rules rumour run running runs sad safe safely safest safety said salad salary sales salt same sample
sandbox sandwich sat saturday save saved savings saw say saying says scam scan scanner scare scared scary scene
schedule scheme school schools science scientists scope score scratch screen screenplay script scrivi sea search
season seat second seconds secret secretly secrets section security see seeds seeing seem seems seen sees select
self sell selling sells send sender sending sends senior sense sent sentence sentences sentiment serial series
serious seriously serve server servers service services session sessions set settings setup seven several severe sex
shaking shall shame share shared shares she sheet sheets shelf shell shelter shift ship shipping shit shoes shoot
shop shoplifting shopping shops short shorten shorter shot should shouldn shout shouted show shower showing shown
shows shut shy sick side sides sign signature signed signs silent silly simple simplify simply simulate since sing
singer single sir sister sit site sites situation six size skin skip sky slap sleep sleeping sleepy slide slides
slightly slip slogan slow slowly slows slurs small smaller smart smarter smash smell smells snake so soap sober
social socks sofa soft software soil sold solution solve some somebody someone something somewhere son song soon
sorry sort sound sounds soup source sources space spaces spanish spare speak speaker speaking speaks special
specific speech spell spelling spent spit split sports spot spread spreads spreadsheet spring spy square stab staff
stage stages stairs stalking stand standing star stars start started starting starts starve state statement station
status stay stays steal stealing steals step steps stick still stock stolen stomach stone stood stop stopped
stopping stops store stored stories storm story straight strange stranger strangers street strength strict string
strings strip strong stronger stuck student students studied studies studio study studying stuff stupid style
subject subscription subtitles such suck sudo sue suffer sugar suggest suicide suit sum summarise summary summer sun
sunday sundays supplier supply support suppose supposed sure surprise surprised survey suspect swallowed swamp swap
swearing swimming switch switched system systems table tables take taken takes taking tale talent talk talked
talking talks tape target task tasks taste tax taxes taxi tea teach teacher teachers teaches teaching team teams
technical teenager teenagers telephone tell telling tells template ten tenant tenants tends tense tent term terminal
terms terrible terror test tested testing tests text textbook texts than thank thankful thanks that the theft their
theirs them themselves then therapist there therefore these thesis they thick thief thin thing things think thinking
thinks third thirty this those though thought thoughts thousand thousands thread threat threatened threatens three
through throw thursday tick ticket tickets tie till time times tiny tip tips tired title titles to today toddler
todo together token tokens told tomato tomatoes tomorrow tone tongue tonight too took tool tools top topic topics
torture total touch tour town toy track tracking trade tradition traffic train trained trainee trainer training
trains tram transcript transfer translate translation translator traps trash travel traveller treasurer treat
treated tree trees trial trick tricks tried tries trigger trip trips trouble true trust try trying tuesday turn
turned turning turns tutor tweet twelve twenty twice two type typed typical tyre tyres ubuntu ugly umbrella unable
uncle unclear under understand understands understood undo unethical unfortunately union unit units university
unless unlock unsafe until unusual up update updated updates upload upon ups upset upstairs urge urgent us use used
useful useless user users uses using usual usually vaccine vaccines vague valid valley value values van variable
vault vegetables vegetarian verbs vermin verse version versions very victim victims video videos view views village
villain violence violent virtual virus visit visitor visitors voice voices void volcanoes volume volunteer
volunteers vote voted votes wait waiter waiting waits wake walk wall wallet want wanted wants war warehouse warm
warmth warn warning warnings was wash washing wasn waste watch watches water waves way ways we weak weapon weapons
wear weather web website wedding wednesday weed week weekend weekly weeks weird welcome well went were wet what
whatever when whenever where wherever whether which while white who whoever whole whom whose why wife wifi wiki wild
will win window windows wine wins winter wire wise wish wishes with within without witness woman women won wonder
word wording words work worked worker working workout works workshop world worm worried worries worry worse worst
worth worthless would wouldn write writer writes writing written wrong wrote yeah year years yellow yes yesterday
yet you young your yours yourself zero zombie
""".split()  # noqa: SIM905  a list of literals would be three thousand lines
)
